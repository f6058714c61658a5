"""Ids as people compare them; by itself, so that commands load no cryptography."""


def fingerprint(id32: bytes) -> str:
    """Return a host or device id as people compare it, like `9f2c 41aa 07de 55b1`.

    64 bits: enough against a second key made to match, which costs 2**64 tries;
    programs compare the whole id.
    """
    digits = id32[:8].hex()
    return " ".join(digits[start : start + 4] for start in range(0, 16, 4))
