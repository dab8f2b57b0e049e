#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Debezium's golden cases, one test each: see tests/conformance/run.py. They run on several servers at once from the start."""
import os
import sys
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "conformance"))
import run  # noqa: E402

suite = None


def setUpModule():
    global suite
    suite = run.Suite(run.all_cases())
    unittest.addModuleCleanup(suite.close)


class Case(unittest.TestCase):
    maxDiff = None

    def check(self, name):
        outcome = suite.outcome(name)
        if outcome.good is None:
            self.skipTest(outcome.text)
        self.assertTrue(outcome.good, outcome.text)


class NotRun(unittest.TestCase):
    pass


class Known(unittest.TestCase):
    def test_list_of_differences_names_cases(self):
        self.assertEqual(set(), set(run.known_differences()) - set(run.all_cases()))

    def test_what_is_not_run_is_not_there(self):
        self.assertEqual(set(), set(run.cases_not_run()) & set(run.all_cases()))


for case in run.all_cases():
    setattr(Case, f"test_{case}", lambda self, name=case: self.check(name))
for case, reason in run.cases_not_run().items():
    setattr(NotRun, f"test_{case}", lambda self, reason=reason: self.skipTest(reason))

if __name__ == "__main__":
    unittest.main()
