#!/usr/bin/env python3
"""SQLite: rollback and WAL journals, several processes at once, and a kill -9 of the daemon."""

import os
import random
import signal
import sqlite3
import time

import common
from common import case
from harness.ramfs_case import RamfsCase

MODES = ("DELETE", "TRUNCATE", "PERSIST", "WAL")


def connect(path, mode):
    database = sqlite3.connect(path, timeout=30, isolation_level=None)
    database.execute(f"PRAGMA journal_mode={mode}")
    database.execute("PRAGMA synchronous=FULL")
    return database


def create(path, mode):
    database = connect(path, mode)
    database.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
    database.close()


def check(path):
    database = sqlite3.connect(path)
    answer = database.execute("PRAGMA integrity_check").fetchall()
    rows = [row[0] for row in database.execute("SELECT id FROM t ORDER BY id")]
    total = database.execute("SELECT sum(length(v)), count(*) FROM t").fetchone()
    database.close()
    return answer, rows, total


class Sqlite(common.Programs):
    def test_each_journal(self):
        for mode in MODES:
            with self.subTest(mode=mode):
                path = os.path.join(self.mount, f"{mode}.db")
                database = connect(path, mode)
                database.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v TEXT)")
                database.execute("CREATE INDEX i ON t(v)")
                for turn in range(20):
                    database.execute("BEGIN")
                    for index in range(50):
                        database.execute("INSERT INTO t VALUES(?, ?)",
                                         (turn * 50 + index, f"{index}" * 100))
                    database.execute("ROLLBACK" if turn % 5 == 4 else "COMMIT")
                database.execute("UPDATE t SET v = v || 'x' WHERE id % 3 = 0")
                database.execute("DELETE FROM t WHERE id % 7 = 0")
                database.execute("VACUUM")
                database.close()
                answer, rows, _ = check(path)
                self.assertEqual(answer, [("ok",)])
                self.assertEqual(rows, [number for number in range(1000)
                                        if number % 7 and number // 50 % 5 != 4])

    def test_several_processes(self):
        for mode in ("DELETE", "WAL"):
            path = os.path.join(self.mount, f"shared-{mode}.db")
            create(path, mode)
            pids = []
            for writer in range(3):
                pid = os.fork()
                if pid == 0:
                    try:
                        database = connect(path, mode)
                        for index in range(40):
                            database.execute("INSERT INTO t VALUES(?, 'x')",
                                             (writer * 1000 + index,))
                        os._exit(0)
                    finally:
                        os._exit(1)
                pids.append(pid)
            self.assertEqual([os.waitpid(pid, 0)[1] for pid in pids], [0, 0, 0])
            answer, rows, _ = check(path)
            self.assertEqual(answer, [("ok",)])
            self.assertEqual(len(rows), 120)


class Killed(RamfsCase):
    def test_committed_transactions_survive_a_killed_daemon(self):
        seed = int(os.environ.get("RAMFS_TEST_SEED", random.SystemRandom().randrange(10**6)))
        print(f"# RAMFS_TEST_SEED={seed}")
        source = random.Random(seed)
        for turn in range(4):
            made = self.start(commit="1h", writeback=source.choice(("200ms", "1h")))
            pids = [self.writer(turn, mode) for mode in ("DELETE", "WAL")]
            time.sleep(source.uniform(0.5, 2))
            made.process.send_signal(signal.SIGKILL)
            for pid in pids:
                os.waitpid(pid, 0)
            made.kill()
            again = self.daemon()
            again.allowed = [r"recover|replay|killed|unclean|left by|survive"]
            again.start()
            for mode in ("DELETE", "WAL"):
                with self.subTest(turn=turn, mode=mode, seed=seed):
                    self.check_after(turn, mode)
            again.unmount()

    def writer(self, turn, mode):
        path = os.path.join(self.mount, f"{turn}-{mode}.db")
        create(path, mode)
        notes = os.open(os.path.join(self.state, f"{turn}-{mode}"), os.O_CREAT | os.O_WRONLY)
        pid = os.fork()
        if pid == 0:
            try:
                database = connect(path, mode)
                for index in range(10**6):
                    database.execute("INSERT INTO t VALUES(?, ?)", (index, "v" * (index % 3000)))
                    os.pwrite(notes, b"%12d" % index, 0)
            finally:
                os._exit(0)
        os.close(notes)
        return pid

    def check_after(self, turn, mode):
        with open(os.path.join(self.state, f"{turn}-{mode}")) as notes:
            committed = int(notes.read() or -1)
        answer, rows, _ = check(os.path.join(self.mount, f"{turn}-{mode}.db"))
        self.assertEqual(answer, [("ok",)])
        self.assertEqual(rows, list(range(len(rows))))
        self.assertGreaterEqual(len(rows), committed + 1, "a committed transaction is gone")
        self.assertLessEqual(len(rows), committed + 2)


if __name__ == "__main__":
    case.main()
