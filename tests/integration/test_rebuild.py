#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ten seeds of rebuild.py, five on each server, and one on the newer MariaDB; the servers side by side. A seed that fails prints the command that replays it."""
import concurrent.futures
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import rebuild  # noqa: E402
import servers  # noqa: E402
from engine import make_workdir, remove_workdir  # noqa: E402

SEEDS = {"mariadb": range(1, 6), "mysql": range(6, 11), "mariadb-sid": range(11, 12)}
outcomes = {}


def run_server(kind):
    """All seeds of a server, one after the other."""
    workdir = make_workdir("rebuild")
    with rebuild.start_server(kind, workdir, kind) as server:
        for seed in SEEDS[kind]:
            try:
                outcomes[kind, seed].set_result(rebuild.run_seed(seed, server, workdir))
            except Exception as error:  # told by the seed's test
                outcomes[kind, seed].set_exception(error)
        servers.remove(server.datadir)
    remove_workdir(workdir)


def setUpModule():
    pool = concurrent.futures.ThreadPoolExecutor()
    for kind in SEEDS:
        if not servers.lacks(kind):
            outcomes.update({(kind, seed): concurrent.futures.Future() for seed in SEEDS[kind]})
            pool.submit(run_server, kind)
    unittest.addModuleCleanup(pool.shutdown)


class Seeds(unittest.TestCase):
    def check(self, kind, seed):
        if (kind, seed) not in outcomes:
            self.skipTest(servers.lacks(kind))
        try:
            outcomes[kind, seed].result()
        except Exception as error:
            self.fail(f"{error}\nreplay: {rebuild.command_of(seed, kind)}")


for server_kind, seeds in SEEDS.items():
    for number in seeds:
        setattr(Seeds, f"test_{server_kind.replace('-', '_')}_{number:02}", lambda self, k=server_kind, n=number: self.check(k, n))

if __name__ == "__main__":
    unittest.main()
