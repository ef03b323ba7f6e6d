"""The keys of a run, as the configuration file of the program takes them."""

import json
import os


def nested(settings):
    """{"a.b": 1, "a": {"c": 2, "d": None}} as {"a": {"b": 1, "c": 2}}; `settings` stays as it is."""
    tree = {}
    for key, value in settings.items():
        if value is None:  # the default
            continue
        for name in reversed(key.split(".")):
            value = {name: nested(value) if isinstance(value, dict) else value}
        tree = merged(tree, value)
    return tree


def merged(one, other, place=""):
    """Both trees in one. Raises ValueError where one has a value and the other a section, or both a value."""
    tree = dict(one)
    for key, value in other.items():
        if key not in tree:
            tree[key] = value
        elif isinstance(tree[key], dict) and isinstance(value, dict):
            tree[key] = merged(tree[key], value, f"{place}{key}.")
        else:
            raise ValueError(f"options give {place}{key} twice")
    return tree


def holds(tree, key):
    for name in key.split("."):
        if not isinstance(tree, dict) or name not in tree:
            return False
        tree = tree[name]
    return True


def section(tree, key):
    """The section `key`; an empty one where `tree` has none, or a value that the program will refuse."""
    found = tree.get(key)
    return found if isinstance(found, dict) else {}


def as_yaml(tree):
    """The configuration file. JSON is YAML, but for JSON's escapes of what UTF-16 writes in two units."""
    return json.dumps(tree, default=_plain, ensure_ascii=False)


def _plain(value):
    """numpy's numbers and arrays, and paths, as YAML knows them."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    raise ValueError(f"options hold {value!r}, which no key of the configuration takes")
