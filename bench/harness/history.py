"""bench/RESULTS.md: one line per measured commit, added at the end, old lines never edited."""

from harness.report import goal_summary, times


def append(path, results, machine, options):
    def ratios(base):
        found = [(job.name, results.speedup(job, "ramfs", base)) for job in results.jobs]
        return ", ".join(f"{name} {times(ratio)}" for name, ratio in found if ratio) or "–"

    line = (f"| {machine['date'][:10]} | {machine['commit']} | {machine['kernel']} | "
            f"{machine['cores']} × {machine['cpu']} | {options.runs} | {goal_summary(results)} | "
            f"{ratios('ext4')} | {ratios('bindfs')} | {ratios('tmpfs')} |\n")
    with open(path, "a", encoding="utf-8") as file:
        file.write(line)
