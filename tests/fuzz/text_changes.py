"""Changes of tables of text, gzipped or not, and of bytes of any file."""

import gzip


def change_line(text, random):
    lines = text.split(b"\n")
    at = random.randrange(len(lines))
    fields = lines[at].replace(b"\t", b",").split(b",")
    separator = b"\t" if b"\t" in lines[at] else b" " if text.startswith(b"%%") else b","
    fields = lines[at].split(separator)
    field = random.randrange(len(fields))
    number = random.choice([b"-1", b"0", b"99999999999999999999", b"2147483647", b"nan", b"inf", b"1e400", b"", b"x",
                            b"1.5", b" 7 ", b'"', b"\xff\xfe", b"x" * 100000, b"\0", b"\x1b[31m"])
    which = random.randrange(6)
    if which == 0:
        del lines[at]
    elif which == 1:
        lines.insert(at, lines[at])
    elif which == 2:
        fields[field] = number
    elif which == 3:
        fields.insert(field, number)
    elif which == 4:
        del fields[field]
    else:
        lines[at] = number
    if which in (2, 3, 4):
        lines[at] = separator.join(fields)
    return b"\n".join(lines)


def change_text(text, random):
    which = random.randrange(8)
    if which == 0:
        return b""
    if which == 1:
        return text[: random.randrange(len(text))]
    if which == 2:
        return text.replace(b"\n", b"\r\n")
    if which == 3:
        return b"\xef\xbb\xbf" + text
    if which == 4:
        return text + text
    return change_line(text, random)


def change(path, random):
    stored = path.read_bytes()
    is_zipped = path.suffix == ".gz"
    text = gzip.decompress(stored) if is_zipped else stored
    text = change_text(text, random)
    path.write_bytes(gzip.compress(text, mtime=0) if is_zipped else text)
    return f"change_text {path.name}", False


def flip_bytes(path, random):
    data = bytearray(path.read_bytes())
    which = random.randrange(10)
    if which == 0:
        del data[random.randrange(len(data)) :]
    elif which == 1:
        first = random.randrange(len(data))
        last = min(len(data), first + random.choice([8, 64, 512, 4096]))
        data[first:last] = bytes(last - first)
    elif which == 2:
        first, second = random.randrange(len(data)), random.randrange(len(data))
        n = random.choice([8, 64, 512])
        data[first : first + n] = data[second : second + n]
    else:
        for _ in range(random.choice([1, 1, 2, 8])):
            at = random.randrange(len(data))
            data[at] = random.choice([data[at] ^ 1 << random.randrange(8), 0, 255, random.randrange(256)])
    path.write_bytes(bytes(data))
    return f"flip_bytes {path.name}", False
