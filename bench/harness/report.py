"""Results as JSON and as Markdown: medians, spread, ratios, goals."""

import statistics

from harness import goals

# Filesystems whose fsync keeps nothing: their fsync figures are no competition.
FORGETFUL = ("tmpfs", "overlayfs")


def as_json(results, machine, options):
    """Everything measured, for programs."""
    jobs = {}
    for job in results.jobs:
        cells = {}
        for target in results.targets:
            cell = results.cells[job.name][target]
            entry = {"values": cell["values"], "median": results.median(job.name, target)}
            if cell["values"]:
                entry |= {"min": min(cell["values"]), "max": max(cell["values"])}
            if cell["p99_us"]:
                entry["p99_us"] = statistics.median(cell["p99_us"])
            if "failed" in cell:
                entry["failed"] = cell["failed"]
            entry["speedup_vs"] = {base: results.speedup(job, target, base)
                                   for base in results.targets if base != target}
            cells[target] = entry
        jobs[job.name] = {"question": job.question, "suite": job.suite, "area": job.area,
                          "state": job.state, "unit": job.unit,
                          "higher_is_better": job.higher_is_better, "targets": cells}
    return {"machine": machine, "settings": settings(options), "jobs": jobs,
            "goals": goals.check(results), "warnings": results.warnings}


def settings(options):
    return {"runs": options.runs, "quick": options.quick, "size_bytes": options.size,
            "sync_size_bytes": options.sync_size, "runtime_s": options.runtime_s,
            "files": options.files, "arena": options.arena,
            "ramfs_options": options.ramfs_options or ""}


def number(value, unit):
    if unit == "s":
        return f"{value:.3f}" if value < 1 else f"{value:.2f}"
    return f"{value / 1000:,.1f} k" if value >= 10000 and unit == "IOPS" else f"{value:,.0f}"


def times(value):
    if value is None:
        return "–"
    if value < 0.1:
        return f"{value:.2g}x"
    return f"{value:.2f}x" if value < 10 else f"{value:.0f}x"


def _row(cells):
    return "| " + " | ".join(cells) + " |"


def _table(head, rows):
    lines = [_row(head), _row(["---"] + ["---:"] * (len(head) - 1))]
    return lines + [_row(row) for row in rows]


def _cell(results, job, target, text):
    cell = results.cells[job.name][target]
    if not cell["values"]:
        return cell.get("failed", "not measured").split(":")[0]
    # A job that failed in some runs only must not look like one that never did.
    return text(cell) + (" !" if "failed" in cell else "")


def _medians(results):
    bases = [base for base in ("ext4", "tmpfs", "overlayfs", "bindfs", "mergerfs")
             if base in results.targets and "ramfs" in results.targets]
    rows = []
    for job in results.jobs:
        row = [f"{job.name} ({job.state}), {job.unit}"]
        for target in results.targets:
            def text(cell, job=job, target=target):
                mark = " *" if job.fsynced and target in FORGETFUL else ""
                return number(statistics.median(cell["values"]), job.unit) + mark
            row.append(_cell(results, job, target, text))
        row += [times(results.speedup(job, "ramfs", base)) for base in bases]
        rows.append(row)
    return _table(["median", *results.targets, *(f"ramfs / {base}" for base in bases)], rows)


def _spread(results):
    rows = []
    for job in results.jobs:
        row = [f"{job.name}, {job.unit}"]
        for target in results.targets:
            def text(cell, job=job):
                spread = f"{number(min(cell['values']), job.unit)} … " \
                         f"{number(max(cell['values']), job.unit)}"
                if cell["p99_us"]:
                    spread += f"; {statistics.median(cell['p99_us']):,.1f} µs"
                return spread
            row.append(_cell(results, job, target, text))
        rows.append(row)
    return _table(["min … max; p99", *results.targets], rows)


def _goals(results):
    rows = []
    for row in goals.check(results):
        verdict = {None: "not measured", True: "yes", False: "**no**"}[row["reached"]]
        rows.append([row["goal"], row["job"], f"{row['at_least']}x {row['base']}",
                     times(row["ratio"]), verdict])
    return _table(["goal", "job", "at least", "measured", "reached"], rows) if rows else []


def goal_summary(results):
    checked = goals.check(results)
    reached = sum(row["reached"] is True for row in checked)
    unknown = sum(row["reached"] is None for row in checked)
    text = f"{reached} of {len(checked)} reached"
    return text + (f", {unknown} not measured" if unknown else "")


def as_markdown(results, machine, options):
    lines = [
        "# ramfs beside its peers", "",
        f"{machine['date']}, commit {machine['commit']}, Linux {machine['kernel']}, "
        f"{machine['cores']} cores ({machine['cpu']}), {machine['memory_mb']} MB of RAM; "
        f"{machine['fio']}, {machine['bindfs']}, {machine['mergerfs']}.",
        f"Medians of {options.runs} run(s); hot file {options.size >> 20} MB, fsync files "
        f"{options.sync_size >> 20} MB, {options.runtime_s:g} s per fio job, tree of "
        f"{options.files} files; ramfs arena {options.arena}"
        + (f", options {options.ramfs_options}." if options.ramfs_options else "."),
    ]
    if options.quick:
        lines += ["", "**A --quick run: it shows that everything works, not how fast it is.**"]
    lines += ["", *_medians(results), "",
              "A ratio says how many times as fast ramfs is, so above 1 is better in every row.", ]
    if any(job.fsynced for job in results.jobs):
        lines.append("Rows named fsync ran on the disk, all others on an ext4 in RAM. "
                     "*: fsync keeps nothing there, after a power cut all is gone.")
    if any("failed" in cell and cell["values"]
           for row in results.cells.values() for cell in row.values()):
        lines.append("!: failed in some of the runs.")
    if results.warnings:
        lines += ["", "## Warnings", "", *(f"- {text}" for text in results.warnings)]
    found = _goals(results)
    if found:
        lines += ["", f"## Goals: {goal_summary(results)}", "", *found]
    lines += ["", "## Spread", "", *_spread(results), ""]
    return "\n".join(lines)
