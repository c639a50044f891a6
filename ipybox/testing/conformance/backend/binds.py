"""Host folders and files that are bound into a container."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from ipybox.backend import Capability
from ipybox.errors import InvalidArgumentError
from ipybox.spec.container import Bind
from ipybox.spec.status import bind_concern
from ipybox.testing.conformance.base import Conformance
from ipybox.testing.conformance.checks import check

ODD_NAMES = ("with space", "comma,comma", "colon:colon", "é ü 漢", 'it\'s "so"', "a=b;c", "$HOME")


class BindChecks(Conformance):
    @check(Capability.BINDS)
    async def test_binds_can_be_read_and_written(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "in/data").write_bytes(bytes(range(256)))
        binds = (
            Bind(host_path=tmp_path / "in", container_path="in"),
            Bind(host_path=tmp_path / "made/by/ipybox", container_path="deep/out"),
        )
        async with self.running(binds=binds) as container:
            await self.python(
                "open('deep/out/copy', 'wb').write(open('in/data', 'rb').read()[::-1])",
                on=container.container,
            )
        assert (tmp_path / "made/by/ipybox/copy").read_bytes() == bytes(range(256))[::-1]

    @check(Capability.BINDS)
    async def test_bound_files_have_the_same_owner_on_both_sides(self, tmp_path: Path) -> None:
        bind = Bind(host_path=tmp_path, container_path="x")
        async with self.started(binds=(bind,)) as container:
            await self.python(
                "import os; os.makedirs('x/a'); open('x/a/f', 'w').close()", on=container
            )
            # Readable for its owner only, which the code's user must be.
            (tmp_path / "a/from the host").touch(mode=0o600)
            (tmp_path / "a/from the host").write_text("read me")
            code = """
                import os
                path = "x/a/from the host"
                print(open(path).read(), os.stat(path).st_uid == os.getuid())
                _ = open(path, "a").write(", written")
            """
            assert await self.python(code, on=container) == "read me True\n"
        assert (tmp_path / "a/from the host").read_text() == "read me, written"
        for path in (tmp_path / "a/f", tmp_path / "a/from the host"):
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (os.getuid(), os.getgid())

    @check(Capability.BINDS)
    async def test_single_file_can_be_bound(self, tmp_path: Path) -> None:
        (tmp_path / "one.txt").write_text("a file")
        bind = Bind(host_path=tmp_path / "one.txt", container_path="one.txt")
        async with self.started(binds=(bind,)) as container:
            assert await self.python("print(open('one.txt').read())", on=container) == "a file\n"

    @check(Capability.BINDS)
    async def test_one_folder_can_be_bound_twice(self, tmp_path: Path) -> None:
        binds = tuple(Bind(host_path=tmp_path, container_path=name) for name in "ab")
        async with self.started(binds=binds) as container:
            code = "_ = open('a/f', 'w').write('x'); print(open('b/f').read())"
            assert await self.python(code, on=container) == "x\n"

    @check(Capability.BINDS)
    async def test_unusual_names_can_be_bound(self, tmp_path: Path) -> None:
        binds = []
        for name in ODD_NAMES:
            (tmp_path / name).mkdir()
            (tmp_path / name / "f").write_text(name)
            binds.append(Bind(host_path=tmp_path / name, container_path=f"x/{name}"))
        async with self.started(binds=tuple(binds)) as container:
            code = f"print([open(f'x/{{name}}/f').read() for name in {ODD_NAMES!r}])"
            assert await self.python(code, on=container) == f"{list(ODD_NAMES)}\n"

    @check(Capability.BINDS)
    async def test_bound_files_outlive_the_container(self, tmp_path: Path) -> None:
        (tmp_path / "kept/below").mkdir(parents=True)
        (tmp_path / "kept/below/f").write_text("kept")
        bind = Bind(host_path=tmp_path / "kept", container_path="x")
        async with self.started(binds=(bind,)):
            pass
        assert (tmp_path / "kept/below/f").read_text() == "kept"

    @check(Capability.READ_ONLY_BINDS)
    async def test_read_only_bind_refuses_changes(self, tmp_path: Path) -> None:
        (tmp_path / "data").write_text("from the host")
        os.chmod(tmp_path, 0o755)  # if the host's user is root, the code runs as another user
        bind = Bind(host_path=tmp_path, container_path="in", read_only=True)
        code = """
            import os
            print(open("in/data").read())
            for change in (lambda: open("in/data", "w"), lambda: open("in/new", "w"),
                           lambda: os.remove("in/data"), lambda: os.chmod("in/data", 0o777)):
                try:
                    change()
                    print("changed")
                except OSError:
                    pass
        """
        async with self.started(binds=(bind,)) as container:
            assert await self.python(code, on=container) == "from the host\n"
            assert container.guarantees.details[bind_concern("in")] == "enforced"
        assert os.listdir(tmp_path) == ["data"]
        assert (tmp_path / "data").read_text() == "from the host"

    @check(Capability.BINDS)
    async def test_folder_that_cannot_be_created_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        bind = Bind(host_path=tmp_path / "file" / "below", container_path="x")
        with pytest.raises(InvalidArgumentError, match="can't be made"):
            async with self.running(binds=(bind,)):
                pass

    @check(Capability.BINDS, Capability.ISOLATION)
    async def test_folder_that_the_user_may_not_read_is_refused(self, tmp_path: Path) -> None:
        """An engine that runs as root could read it, so the library has to refuse."""
        (tmp_path / "secret").mkdir(mode=0)
        bind = Bind(host_path=tmp_path / "secret", container_path="x")
        is_root = os.getuid() == 0  # root may read everything
        with (
            nullcontext() if is_root else pytest.raises(InvalidArgumentError, match="may not read")
        ):
            async with self.running(binds=(bind,)):
                pass
