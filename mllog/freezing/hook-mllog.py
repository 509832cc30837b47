"""
What PyInstaller cannot see: presets are data, and names load on first use.
"""

from PyInstaller.utils.hooks import collect_data_files, collect_submodules

from mllog.config import presets_folder

# tools of the command line: with them would come what they need
_TOOLS = ("mllog.cli", "mllog.freezing", "mllog.migrate", "mllog.report")

datas = [
    *collect_data_files("mllog", excludes=["presets", "report"]),
    (str(presets_folder()), "mllog/presets"),
]
hiddenimports = collect_submodules(
    "mllog", filter=lambda name: not name.startswith(_TOOLS)
)
