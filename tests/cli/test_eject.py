"""``factorgraph eject``: a file under its name, or the line that cannot leave."""

from __future__ import annotations


def test_the_file_has_the_spec_s_name(cli, tiny, tmp_path):
    said = cli("eject", str(tiny), "--set", "factors.sparsity.weight=0.5")
    assert (said.code, said.out, said.err) == (0, "tiny.py\n", "")
    assert "0.5 * self.sparsity(Z)" in (tmp_path / "tiny.py").read_text()


def test_what_cannot_leave_is_told_at_its_line_and_leaves_no_file(cli, tiny, tmp_path):
    said = cli("eject", str(tiny), "--set", "inference.optimal.solver=active_set", "-o", "mine.py")
    assert said.code == 2 and "FG692" in said.err and "Traceback" not in said.err and "fista" in said.err
    assert not (tmp_path / "mine.py").exists()
