"""Fetch the locked uv with nothing but the standard library, for a Python that has neither pip nor venv.

Usage: fetch_uv.py REQUIREMENTS DESTINATION. The requirements file pins uv with its hashes; only a wheel with one of
them is accepted, whatever the index serves.
"""

import hashlib
import html.parser
import io
import os
import platform
import re
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from pathlib import Path


class Links(html.parser.HTMLParser):
    """Collect the targets of a page's links."""

    def __init__(self) -> None:
        """Start with none."""
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember where an ``a`` leads."""
        if tag == "a":
            self.targets += [value for name, value in attrs if name == "href" and value]


def platform_pattern() -> str:
    """Return a pattern for the platform part of the file name of a wheel that runs here."""
    machine = platform.machine()
    if sys.platform == "darwin":
        return rf"macosx_\d+_\d+_{machine}"
    libc = "manylinux" if platform.libc_ver()[0] == "glibc" else "musllinux"
    return rf"{libc}_\d+_\d+_{machine}\b"


def download(url: str) -> bytes:
    """Return what is served at the address, trusting the authorities that pip was told to trust as well."""
    context = ssl.create_default_context()
    for variable in ("PIP_CERT", "REQUESTS_CA_BUNDLE"):
        if bundle := os.environ.get(variable):
            context.load_verify_locations(bundle)
    with urllib.request.urlopen(url, context=context, timeout=60) as response:
        return bytes(response.read())


def find_wheel(version: str, hashes: set[str]) -> bytes:
    """Return the wheel of this platform, or exit with the reason."""
    configured = (os.environ.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"))
    page = next(filter(None, configured), "https://pypi.org/simple").rstrip("/") + "/uv/"
    links = Links()
    links.feed(download(page).decode())
    wanted = re.compile(rf"/uv-{re.escape(version)}-py3-none-(.*\.)?{platform_pattern()}.*\.whl(#|$)")
    for link in filter(wanted.search, links.targets):
        wheel = download(urllib.parse.urljoin(page, link))
        if hashlib.sha256(wheel).hexdigest() in hashes:
            return wheel
    sys.exit(f"no wheel of uv {version} for {platform.platform()} with a hash of requirements.lock at {page}")


def main(requirements: Path, destination: Path) -> None:
    """Put the executable at the destination."""
    text = requirements.read_text()
    version = re.findall(r"^uv==(\S+)", text, re.MULTILINE)[0]
    try:
        wheel = find_wheel(version, set(re.findall(r"sha256:([0-9a-f]{64})", text)))
    except urllib.error.URLError as error:
        sys.exit(f"could not fetch uv {version}: {error}")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        executable = archive.read(f"uv-{version}.data/scripts/uv")
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.write_bytes(executable)
    destination.chmod(0o755)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
