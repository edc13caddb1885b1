import importlib.util
import os
import sys
import traceback
import unittest
from xml.sax.saxutils import quoteattr

sys.dont_write_bytecode = True
sys.path.insert(0, "src")
cases, failed = [], 0


def case(name, function):
    global failed
    try:
        function()
        end = ""
    except unittest.SkipTest:
        end = "<skipped/>"
    except Exception:
        traceback.print_exc()
        end, failed = "<failure/>", 1
    cases.append(f"<testcase name={quoteattr(name)}>{end}</testcase>")


for file in sorted(os.listdir("tests")):
    module = file[:-3]
    if not file.startswith("test_"):
        continue
    spec = importlib.util.spec_from_file_location(module, "tests/" + file)
    tests = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(tests)
    except Exception as error:
        print(error)
        failed = 1
        cases.append(f"<testcase name={quoteattr(module)}><error/></testcase>")
        continue
    for name in dir(tests):
        if name.startswith("test_"):
            case(f"{module}.{name}", getattr(tests, name))
with open("report.xml", "w") as report:
    report.write(f"<testsuite>{''.join(cases)}</testsuite>")
sys.exit(failed)
