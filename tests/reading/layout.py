"""
What S3PayloadHandler leaves in a bucket, as keys and bytes.
"""

import gzip
import json

from mllog.payloads.content import content_of


def entry_of(prefix, value, content_type=None):
    """
    The entry of the index for *value*, and the object's key and bytes.
    """
    content = content_of(value, content_type)
    ref = content.name()
    key = f"{prefix}payloads/{ref[:2]}/{ref}{content.extension}"
    entry = {
        "ref": ref,
        "key": key,
        "content_type": content.content_type,
        "type": content.kind,
        "shape": list(content.shape),
        "dtype": content.dtype or None,
        "bytes": len(content.data),
        "status": "stored",
    }
    return entry, key, content.data


def objects_of(prefix, records, hour="06"):
    """
    The objects of *records*: (fields, {name: value}) of each.

    A value that is a str names a status with no object.
    """
    objects, lines = {}, []
    for number, (fields, values) in enumerate(records):
        entries = {}
        for name, value in values.items():
            if isinstance(value, str):
                entries[name] = {"status": value}
                continue
            entries[name], key, data = entry_of(prefix, value)
            objects[key] = data
        line = {"timestamp": f"t{number}", "message": "m", **fields}
        lines.append({**line, "payloads": entries} if entries else line)
    text = "".join(json.dumps(line) + "\n" for line in lines)
    name = f"{prefix}index/dt=2026-11-21/hour={hour}/h-1-2-000001.jsonl.gz"
    objects[name] = gzip.compress(text.encode())
    return objects


def written(folder, objects):
    """
    The same as files below *folder*.
    """
    for key, data in objects.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
