"""Every finding can be started, pins its packages and says what was seen, in the head that findings/README.md asks for."""
import os
import pathlib
import re
import unittest

FOLDER = pathlib.Path(__file__).resolve().parents[2] / "findings"


class Findings(unittest.TestCase):
    def test_each_has_its_head_and_is_listed(self):
        found = sorted(FOLDER.glob("*.sh"))
        self.assertGreaterEqual(len(found), 5)
        table = (FOLDER / "README.md").read_text()
        for path in found:
            with self.subTest(finding=path.name):
                text = path.read_text()
                head = text.partition("\nset -euo pipefail\n")[0]
                self.assertTrue(os.access(path, os.X_OK))
                self.assertIn(f"\n# {path.stem}: ", head)
                for part in ("Versions", "Expected", "Seen", "Here"):
                    self.assertRegex(head, rf"\n# {part}: +\S")
                installed = set(re.findall(r"[\w-]+==[\d.]*\d", text.partition("\nset -euo pipefail\n")[2]))
                self.assertEqual(set(re.findall(r"[\w-]+==[\d.]*\d", head)), installed)
                self.assertTrue(installed)
                self.assertIn(f"]({path.name})", table)


if __name__ == "__main__":
    unittest.main()
