"""Structural changes of an HDF5 file: ranks, lengths, types, sizes, links, encodings, attributes, chunks.

A change is a function of an open file, a path in it and a random.Random. It returns False where it does not apply.
"""

import contextlib
import zlib

import h5py
import numpy as np

HUGE = [2**31 - 1, 2**31, 2**33, 2**40, 2**62]
NUMBERS = ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f2", "f4", "f8", ">i4", ">i8", ">f4", ">f8", "?"]
ENCODINGS = ["array", "string-array", "string", "numeric-scalar", "dict", "dataframe", "categorical", "csr_matrix",
             "csc_matrix", "nullable-integer", "nullable-boolean", "nullable-string-array", "rec-array", "anndata",
             "raw", "awkward-array", "", "no such encoding"]


def replace(file, path, data=None, **how):
    """Another dataset in the place of one, with its attributes."""
    kept = dict(file[path].attrs) if path in file else {}
    del file[path]
    made = file.create_dataset(path, data=data, **how)
    for name, value in kept.items():
        with contextlib.suppress(TypeError, ValueError, OSError):
            made.attrs[name] = value
    return made


def values_of(file, path):
    node = file[path]
    return node[()] if isinstance(node, h5py.Dataset) and node.shape is not None else None


def array_of(file, path):
    """The values as an array of at least one value; None of anything else."""
    values = values_of(file, path)
    return np.asarray(values) if values is not None and np.size(values) > 0 else None


def kind_of(file, path):
    """The type to store values again with: text stays text."""
    return file[path].dtype


def change_rank(file, path, random):
    values = array_of(file, path)
    if values is None:
        return False
    shapes = [(1, values.size), (values.size, 1), (values.size, 1, 1), (values.size,), (1,) * 5 + (values.size,)]
    if values.size % 2 == 0:
        shapes.append((values.size // 2, 2))
    shape = random.choice([shape for shape in shapes if shape != values.shape])
    replace(file, path, values.reshape(shape), dtype=kind_of(file, path))


def widen(file, path, random):
    """As many rows as before, each of them many values."""
    values = array_of(file, path)
    if values is None or values.ndim < 1:
        return False
    width = random.choice([2, 3, 1000])
    wide = np.repeat(values.reshape(values.shape[0], -1), width, axis=1)
    replace(file, path, wide, dtype=kind_of(file, path))


def change_to_scalar(file, path, random):
    values = array_of(file, path)
    if values is None or values.ndim == 0:
        return False
    replace(file, path, values.flat[0], dtype=kind_of(file, path))


def change_length(file, path, random):
    values = array_of(file, path)
    if values is None or values.ndim < 1:
        return False
    n, axis = values.shape[0], random.randrange(values.ndim)
    axis, n = (axis, values.shape[axis]) if random.random() < 0.5 else (0, n)
    longer = random.choice([0, 1, n - 1, n + 1, 2 * n, 1000 * n])
    index = np.arange(longer) % n
    replace(file, path, np.take(values, index, axis=axis), dtype=kind_of(file, path))


def declare_huge(file, path, random):
    """A shape of which nothing is stored."""
    node = file[path]
    if not isinstance(node, h5py.Dataset) or not node.shape or 0 in node.shape:
        return False
    shape, kind = list(node.shape), node.dtype
    shape[random.randrange(len(shape))] = random.choice(HUGE)
    how = {"chunks": tuple(min(n, 64) for n in shape)}
    if random.random() < 0.5:
        how |= {"compression": random.choice(["gzip", "lzf"])}
    replace(file, path, shape=tuple(shape), dtype=kind, **how)


def change_type(file, path, random):
    values = array_of(file, path)
    if values is None:
        return False
    kinds = [*NUMBERS, "S8", h5py.string_dtype(), h5py.string_dtype("ascii", 5), "V8"]
    kind = random.choice(kinds)
    if values.dtype.kind in "OSV":
        numbers = np.arange(values.size).reshape(values.shape)
        replace(file, path, numbers.astype(kind if kind in NUMBERS else "i8"))
    elif kind in NUMBERS:
        with np.errstate(all="ignore"):
            replace(file, path, values.astype(kind))
    elif kind == "V8":
        replace(file, path, np.zeros(values.shape, "V8"))
    else:
        replace(file, path, values.astype("S8").astype(object), dtype=kind)


def change_to_odd_type(file, path, random):
    """Types that no reader of numbers or text expects."""
    node = file[path]
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        return False
    kinds = [
        np.dtype([("a", "i4"), ("b", "f8")]),
        np.dtype(("f4", (3,))),
        np.dtype([("a", "f8", (1000,))]),
        h5py.vlen_dtype(np.int32),
        h5py.ref_dtype,
        h5py.enum_dtype({"A": 0, "B": 1}, "i8"),
        h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, "i4"),
        np.dtype("c8"),
        np.dtype("V1"),
    ]
    replace(file, path, shape=node.shape, dtype=random.choice(kinds))


def widen_type(file, path, random):
    """Values of up to 512 MB, of which none is stored."""
    node = file[path]
    if not isinstance(node, h5py.Dataset) or node.shape is None:
        return False
    width = random.choice([1000, 70000, 2**24, 2**29])
    kinds = [h5py.h5t.C_S1.copy(), h5py.h5t.create(h5py.h5t.OPAQUE, width)]
    kinds[0].set_size(width)
    array = h5py.h5t.array_create(h5py.h5t.NATIVE_DOUBLE, (width // 8,))
    kind = random.choice([*kinds, array])
    shape = node.shape
    del file[path]
    made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    if shape:
        made.set_chunk((1,) * len(shape))
    links = h5py.h5p.create(h5py.h5p.LINK_CREATE)
    space = h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
    if not shape and width > 2**20:  # without chunks all of it would be stored
        return False
    h5py.h5d.create(file.id, path.encode(), kind, space, made, links)


def narrow_precision(file, path, random):
    """A number of another width than any machine has."""
    node = file[path]
    if not isinstance(node, h5py.Dataset) or not node.shape or node.dtype.kind not in "iuf":
        return False
    kind = h5py.h5t.STD_I64LE.copy() if random.random() < 0.5 else h5py.h5t.STD_I32LE.copy()
    kind.set_precision(random.choice([24, 31]) if kind.get_size() == 4 else 40)
    shape = node.shape
    del file[path]
    h5py.h5d.create(file.id, path.encode(), kind, h5py.h5s.create_simple(shape))


def change_to_null(file, path, random):
    node = file[path]
    if not isinstance(node, h5py.Dataset):
        return False
    replace(file, path, h5py.Empty("f4"))


def remove(file, path, random):
    del file[path]


def change_to_group(file, path, random):
    if not isinstance(file[path], h5py.Dataset):
        return False
    attributes = dict(file[path].attrs)
    file.move(path, "moved away")
    group = file.create_group(path)
    if random.random() < 0.5:
        file.move("moved away", path + "/inner")
    for name, value in attributes.items():
        with contextlib.suppress(TypeError, ValueError, OSError):
            group.attrs[name] = value


def change_to_dataset(file, path, random):
    if isinstance(file[path], h5py.Dataset):
        return False
    replace(file, path, random.choice([np.arange(5), np.ones((36, 20)), "text", 3.5]))


def change_to_named_type(file, path, random):
    del file[path]
    file[path] = np.dtype(random.choice(["f8", "i4"]))


def link(file, path, random):
    """In its place a link: to itself, to nowhere, to a parent, to another object or file."""
    parent = path.rsplit("/", 1)[0] or "/"
    others = all_paths(file)
    del file[path]
    target = random.randrange(8)
    if target == 0:
        file[path] = h5py.SoftLink(path)
    elif target == 1:
        file[path] = h5py.SoftLink("/nowhere")
    elif target == 2:
        file[path] = h5py.SoftLink(parent)
    elif target == 3:
        file[path] = file[parent]
    elif target == 4:
        file[path] = file["/"]
    elif target == 5:
        file[path] = h5py.ExternalLink(random.choice(["none.h5", "config.yaml", "/dev/null"]), "/X")
    else:
        file[path] = h5py.SoftLink(random.choice(others))


def add_cycle(file, path, random):
    """A new member of a group that leads back to it, or to the root."""
    if not isinstance(file[path], h5py.Group):
        return False
    target = random.choice([path, "/"])
    file[path + "/again"] = file[target] if random.random() < 0.5 else h5py.SoftLink(target)


def nest(file, path, random):
    if not isinstance(file[path], h5py.Group):
        return False
    group = file[path]
    for _ in range(random.choice([10, 300])):
        group = group.create_group("g")
    group["end"] = 1


def rename(file, path, random):
    if path == "/":
        return False
    name = random.choice(["", " ", "a\tb", "\x1b[31m", "µ", "x" * 3000, "_index", "__categories", "stamarker", "."])
    parent = path.rsplit("/", 1)[0]
    with contextlib.suppress(ValueError, OSError, RuntimeError, KeyError):
        file.move(path, f"{parent}/{name or 'empty'}")


def store_in_chunks(file, path, random):
    """The same values behind filters: harmless."""
    values = array_of(file, path)
    if values is None or values.ndim < 1 or values.dtype.kind == "O":
        return False
    chunks = tuple(random.choice([1, max(1, n // 2), n]) for n in values.shape)
    how = random.choice([{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"},
                         {"compression": "lzf", "shuffle": True}, {"fletcher32": True}, {}])
    replace(file, path, values, chunks=chunks, **how)


def store_bad_chunk(file, path, random):
    """A compressed chunk that inflates to too little, too much or nothing, or is not there."""
    values = array_of(file, path)
    if values is None or values.ndim < 1 or values.dtype.kind not in "iuf":
        return False
    which = random.choice(["gzip", "lzf"])
    made = replace(file, path, values, chunks=values.shape, compression=which, shuffle=random.random() < 0.5)
    whole = values.tobytes()
    part = whole[: random.choice([0, 1, 7, 8, len(whole) // 2, len(whole) - 1, len(whole)])]
    part += b"\0" * random.choice([0, 1, len(whole)])
    stored = zlib.compress(part) if which == "gzip" else stored_as_literals(part)
    if random.random() < 0.3:
        stored = bytes(random.randrange(256) for _ in range(random.choice([0, 1, 10, 1000])))
    made.id.write_direct_chunk((0,) * values.ndim, stored, filter_mask=random.choice([0, 0, 0, 1, 2, 3]))


def stored_as_literals(data):
    """LZF without any match: runs of at most 32 bytes, each behind its length."""
    return b"".join(bytes([len(data[k : k + 32]) - 1]) + data[k : k + 32] for k in range(0, len(data), 32))


def store_elsewhere(file, path, random):
    """Values in a file that is not there, by an external or a virtual dataset."""
    node = file[path]
    if not isinstance(node, h5py.Dataset) or not node.shape or node.dtype.kind not in "iuf":
        return False
    shape, kind = node.shape, node.dtype
    if random.random() < 0.5:
        size = int(np.prod(shape)) * kind.itemsize
        replace(file, path, shape=shape, dtype=kind, external=[("none.raw", 0, size)])
    else:
        del file[path]
        layout = h5py.VirtualLayout(shape=shape, dtype=kind)
        layout[...] = h5py.VirtualSource("none.h5", "values", shape=shape)
        file.create_virtual_dataset(path, layout)


def change_values(file, path, random):
    """Single values out of every range. What follows may be right."""
    values = array_of(file, path)
    if values is None or values.dtype.names is not None:
        return False
    flat = values.ravel().copy()
    at = random.randrange(flat.size)
    if flat.dtype.kind in "iu":
        limits = np.iinfo(flat.dtype)
        flat[at] = random.choice([limits.min, limits.max, 0, 1, int(flat.max())])
    elif flat.dtype.kind == "f":
        flat[at] = random.choice([np.nan, np.inf, -np.inf, -1, 1e30, 0, 0.5, 1e-30])
    elif flat.dtype.kind in "OS":
        flat[at] = random.choice([b"", b"\xff\xfe", b"x" * 100000, b"a\tb\n", b"\x1b[31m", flat[0]])
    elif flat.dtype.kind == "b":
        flat[at] = not flat[at]
    else:
        return False
    replace(file, path, flat.reshape(values.shape), dtype=kind_of(file, path))


def change_attribute(file, path, random):
    attributes = file[path].attrs
    names = list(attributes)
    if not names:
        return False
    name = random.choice(names)
    new = random.choice([None, 7, -1, 3.5, "text", "", [1, 2, 3], [-1, -1], [2**40, 2**40], [[36, 20]], [36.0, 20.0],
                         ["a", "b"], [], h5py.Empty("f4"), np.zeros(2000), np.bool_(True), b"\xff\xfe", [0, 0],
                         np.zeros(2, [("a", "i4")])])
    if name == "encoding-type" and random.random() < 0.7:
        new = random.choice(ENCODINGS)
    del attributes[name]
    if new is not None:
        attributes[name] = new


def all_paths(file):
    """Paths of all objects, the root left out; each object once."""
    paths = []
    file.visit(paths.append)
    return ["/" + path for path in sorted(paths)]


CHANGES = [change_rank, widen, change_to_scalar, change_length, declare_huge, change_type, change_to_odd_type, widen_type,
           narrow_precision, change_to_null, remove, change_to_group, change_to_dataset, change_to_named_type,
           link, add_cycle, nest, rename, store_in_chunks, store_bad_chunk, store_elsewhere, change_values,
           change_attribute]

# After these another result may be right.
OF_VALUES = {change_values, change_type, rename, change_attribute, store_elsewhere, link, narrow_precision,
             declare_huge, store_bad_chunk}


def change(path, random):
    """Changes one object of the file; its name and path, and whether only an equal result is right."""
    with h5py.File(path, "r+") as file:
        for _ in range(100):
            how, where = random.choice(CHANGES), random.choice(all_paths(file))
            if how(file, where, random) is not False:
                return f"{how.__name__} {where}", how not in OF_VALUES
    raise AssertionError(f"no change applies to {path}")
