"""Makes the documentation a site that is read without a network: `python docs/site/build.py OUT`.

Its pages are those of docs/, the adapters' READMEs and the pages at the top of the checkout. They are gathered in a
scratch folder, their links turned to where each page lies on the site, and handed to Sphinx, to which a warning is an
error: a link or an anchor that leads nowhere makes no site. The same sources give the same files, to the bit.
"""  # noqa: INP001 - a script beside the pages that it makes a site of, not a package

import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.metadata import files
from pathlib import Path
from posixpath import dirname, join, normpath, relpath
from typing import Final

from sphinx.cmd.build import main as sphinx

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
SOURCES: Final = ("docs/**/*.md", "plugins/*/README.md", "*.md")
CONTENTS: Final = "docs/index.md"  # the table of contents; what it does not name has no place, and makes no site
FOLDERS: Final = {"docs/adr": "Decisions"}  # a link to one of them leads to a page that lists what is in it
# Of no use to a reader; what the search needs of the stemmer stands in language_data.js.
LEFT_OUT: Final = (
    ".buildinfo", "objects.inv", "_static/base-stemmer.js", "_static/basic.css", "_static/english-stemmer.js",
)  # fmt: skip
CARRIED: Final = ("sphinx", "snowballstemmer", "pygments")

# Fenced and inline code is passed over; what is left are links: text, target, anchor.
_LINK: Final = re.compile(r"^```.*?^```$|`[^`\n]+`|\]\(([^)#\s]*)(#[\w-]+)?\)", re.MULTILINE | re.DOTALL)
_ENTRY: Final = re.compile(r"^- \[(.+?)\]\(([^)#]+)\)", re.MULTILINE)
_SECTION: Final = re.compile(r"^## (.+)$", re.MULTILINE)


def main(out: Path) -> int:
    """Build the site into `out`; 0, or what Sphinx ended with."""
    shutil.rmtree(out, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        pages, trees = Path(scratch) / "pages", Path(scratch) / "trees"
        gather(ROOT, pages)
        options = ["--quiet", "--fail-on-warning", "--fresh-env", "--builder", "html", "--conf-dir", str(HERE)]
        ended = sphinx([*options, "--doctree-dir", str(trees), str(pages), str(out)])
    for name in LEFT_OUT:
        (out / name).unlink(missing_ok=True)
    for name in CARRIED:
        _write(out / f"_static/licences/{name}.txt", licence(name))
    shutil.rmtree(out / "_sources", ignore_errors=True)  # empty: the Markdown lies beside the site in every package
    return ended


def licence(package: str) -> str:
    """The licence of a package whose files the site carries along."""
    (found,) = [path for path in files(package) or () if path.name.startswith(("LICENSE", "COPYING"))]
    return found.read_text()


def gather(root: Path, to: Path) -> None:
    """Write every page, and every other file that one of them links to, to where it lies on the site."""
    for path in sources(root):
        text = (root / path).read_text()
        if path == CONTENTS:
            text += "".join(tree(*section) for section in sections(text))
        _write(to / place(path), relinked(text, path, root))
        for file in linked(text, path):
            if (root / file).is_file() and not file.endswith(".md"):
                _write(to / place(file), (root / file).read_text())
    for folder, title in FOLDERS.items():
        _write(to / place(folder) / "index.md", listing(root / folder, title))


def sources(root: Path) -> list[str]:
    """The pages, as paths below `root`."""
    return sorted({path.relative_to(root).as_posix() for pattern in SOURCES for path in root.glob(pattern)})


def place(path: str) -> str:
    """Where a file of the checkout lies on the site: what is in docs/ at its top, all else as it is."""
    return path.removeprefix("docs/")


def linked(text: str, page: str) -> Iterator[str]:
    """The files of the checkout that `page` links to."""
    for found in _LINK.finditer(text):
        if found[1] and "://" not in found[1]:
            yield normpath(join(dirname(page), found[1]))


def relinked(text: str, page: str, root: Path) -> str:
    """`text` with links that lead, from where `page` lies on the site, to where their targets lie."""

    def turned(found: re.Match[str]) -> str:
        if not found[1] or "://" in found[1]:
            return found[0]
        target = normpath(join(dirname(page), found[1]))
        if (root / target).is_dir():
            target += "/index.md"
        return f"]({relpath(place(target), dirname(place(page)) or '.')}{found[2] or ''})"

    return _LINK.sub(turned, text)


def sections(contents: str) -> Iterator[tuple[str, str]]:
    """Heading and text of each section of the table of contents."""
    _, *rest = _SECTION.split(contents)
    return zip(rest[::2], rest[1::2], strict=True)


def tree(heading: str, text: str) -> str:
    """One section as Sphinx wants it, for the column beside every page."""
    names = (f"{words} <{_name(target)}>\n" for words, target in _ENTRY.findall(text))
    return f"\n```{{toctree}}\n:hidden:\n:caption: {heading}\n\n{''.join(names)}```\n"


def listing(folder: Path, title: str) -> str:
    """A page that lists the pages of a folder by their headings."""
    names = [path.name for path in sorted(folder.glob("*.md"))]
    heads = [(folder / name).read_text().partition("\n")[0].removeprefix("# ") for name in names]
    lines = "".join(f"- [{head}]({name})\n" for head, name in zip(heads, names, strict=True))
    inside = "".join(f"{Path(name).stem}\n" for name in names)
    return f"# {title}\n\n{lines}\n```{{toctree}}\n:hidden:\n\n{inside}```\n"


def _name(target: str) -> str:
    """A page of the table of contents as Sphinx names it: where it lies on the site, without its ending."""
    path = place(normpath(join(dirname(CONTENTS), target)))
    return f"{path}/index" if not path.endswith(".md") else path.removesuffix(".md")


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


if __name__ == "__main__":
    os.environ.setdefault("SOURCE_DATE_EPOCH", "1700000000")
    sys.exit(main(Path(sys.argv[1]).resolve()))
