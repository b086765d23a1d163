"""Packages of one module, so that nothing need be downloaded."""

import zipfile


def write_wheel(folder, name, version, source):
    """Write a wheel with one module.

    Args:
        folder: Where it goes.
        name: Of the package and its module.
        version: Its version.
        source: The module's text.
    """
    info = f"{name}-{version}.dist-info"
    tag = "py3-none-any"
    with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", source)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        wheel.writestr(f"{info}/RECORD", "")
