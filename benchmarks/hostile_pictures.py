"""Hostile pictures, by format: cut off, damaged, lying about themselves, or only rarely seen."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from PIL import Image, ImageCms

from benchmarks import crafted
from benchmarks.crafted import SIDE, chunk, encoded, flat_jpeg, flat_png, half, patched, picture, segment
from benchmarks.hostile_files import Hostile, bad, good


def of_all_formats() -> list[Hostile]:
    """Every picture of this module."""
    return [*cut_off(), *jpegs(), *pngs(), *tiffs(), *others()]


def cut_off() -> list[Hostile]:
    """Every format as its header only, and as its first half."""
    found = []
    for name, kind, options, header in (
        ("jpg", "JPEG", {}, 24),
        ("png", "PNG", {}, 33),
        ("gif", "GIF", {}, 13),
        ("bmp", "BMP", {}, 54),
        ("webp", "WEBP", {}, 30),
        ("tif", "TIFF", {}, 8),
        ("avif", "AVIF", {}, 40),
        ("jp2", "JPEG2000", {}, 40),
        ("ppm", "PPM", {}, 13),
        ("ico", "ICO", {"sizes": [(64, 64)]}, 22),
        ("mpo", "MPO", {}, 24),
    ):
        mode = "P" if kind == "GIF" else "RGB"
        whole = encoded(picture(mode), kind, **options)
        # A format that keeps its index at the end can't tell a lost half from a header.
        cut = ("truncated", "damaged stream", "header only")
        found += [
            bad(f"header.{name}", f"{kind}: its first {header} bytes", whole[:header], "header only", "truncated"),
            bad(f"half.{name}", f"{kind}: its first half", half(whole), *cut),
        ]
    return found


def jpegs() -> list[Hostile]:
    """JPEG."""
    image, whole = picture(), encoded(picture(), "JPEG")
    progressive = encoded(image, "JPEG", progressive=True)
    cmyk = encoded(picture("CMYK"), "JPEG")
    frame = crafted.frame_at(whole)
    start = whole.index(b"\xff\xda")
    adobe = cmyk.index(b"Adobe") + 11
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 60000) + b"\xff" * 40
    return [
        bad("signature.jpg", "JPEG: 3 bytes", whole[:3], "header only"),
        bad("ends.jpg", "JPEG: begins and ends, nothing between", b"\xff\xd8\xff\xd9", "header only", "not an image"),
        bad("no_eoi.jpg", "JPEG without its last 2 bytes", whole[:-2], "truncated"),
        bad("last10.jpg", "JPEG without its last 10 bytes", whole[:-10], "truncated"),
        bad("progressive_half.jpg", "progressive JPEG: its first half", half(progressive), "truncated"),
        bad("progressive_end.jpg", "progressive JPEG without its last 2 bytes", progressive[:-2], "truncated"),
        bad("hole.jpg", "JPEG with 200 zeroed bytes", patched(whole, start + 300, bytes(200)), "damaged stream"),
        bad(
            "taller.jpg", "JPEG that claims twice its height", crafted.resized_header(whole, 96, 144), "damaged stream"
        ),
        bad("shorter.jpg", "JPEG that claims half its height", crafted.resized_header(whole, 96, 32), "damaged stream"),
        bad("huge.jpg", "JPEG that claims 65,500 × 65,500", crafted.resized_header(whole, 65500, 65500), "too large"),
        bad("no_height.jpg", "JPEG of height 0", crafted.resized_header(whole, 96, 0), "damaged stream", "unsupported"),
        bad(
            "two_parts.jpg",
            "JPEG of two colour components",
            flat_jpeg(*SIDE, ((1, 1),) * 2),
            "unsupported",
            "damaged stream",
        ),
        bad("12bit.jpg", "JPEG header of 12 bits", patched(whole, frame + 4, b"\x0c"), "unsupported"),
        bad(
            "lossless.jpg", "lossless JPEG header", patched(whole, frame + 1, b"\xc3"), "unsupported", "damaged stream"
        ),
        bad("arithmetic.jpg", "JPEG header of arithmetic coding", patched(whole, frame + 1, b"\xc9"), "damaged stream"),
        good("no_tables.jpg", "JPEG without Huffman tables, as webcams send", whole.replace(b"\xff\xc4", b"\xff\xec")),
        good("junk.jpg", "JPEG with 4 kB of junk behind its end", whole + b"junk" * 1000),
        good("twice.jpg", "two JPEGs in one file", whole + encoded(picture("L", (30, 30)), "JPEG")),
        good("fill.jpg", "JPEG with fill bytes between its segments", whole[:2] + b"\xff" * 9 + whole[2:]),
        good("cmyk.jpg", "CMYK JPEG", cmyk),
        bad("cmyk_half.jpg", "CMYK JPEG: its first half", half(cmyk), "truncated"),
        good("ycck.jpg", "YCCK JPEG", patched(cmyk, adobe, b"\2")),
        good("rgb.jpg", "JPEG that stores RGB", encoded(image, "JPEG", keep_rgb=True)),
        good("grey.jpg", "grey JPEG", encoded(picture("L"), "JPEG")),
        good("progressive.jpg", "progressive JPEG", progressive),
        good("turned.jpg", "JPEG with EXIF orientation 6", encoded(image, "JPEG", exif=exif)),
        good("lying_exif.jpg", "JPEG with broken EXIF data", whole[:2] + segment(0xE1, lying) + whole[2:]),
        good("profile.jpg", "JPEG with a broken colour profile", encoded(image, "JPEG", icc_profile=b"\xff" * 100_000)),
        good("grey_2x2.jpg", "grey JPEG with sampling factors 2 × 2", flat_jpeg(*SIDE, ((2, 2),))),
        good("411.jpg", "JPEG 4:1:1", flat_jpeg(*SIDE, ((4, 1), (1, 1), (1, 1)))),
        good("441.jpg", "JPEG 4:4:1", flat_jpeg(*SIDE, ((1, 4), (1, 1), (1, 1)))),
        good("410.jpg", "JPEG 4:1:0", flat_jpeg(*SIDE, ((4, 2), (1, 1), (1, 1)))),
        good("odd_factors.jpg", "JPEG whose colours differ in sampling", flat_jpeg(*SIDE, ((2, 1), (1, 1), (1, 2)))),
    ]


def pngs() -> list[Hostile]:
    """PNG."""
    image, whole = picture(), encoded(picture(), "PNG")
    at = whole.index(b"IDAT")
    length = int.from_bytes(whole[at - 4 : at], "big")
    body = whole[at + 4 : at + 4 + length]
    rows = zlib.decompress(body)
    first = image.quantize(16)
    rgb = (*SIDE, 8, 2)
    header_crc = patched(whole, 29, b"\0\0\0\0")
    data_crc = patched(whole, at + 4 + length, b"\0\0\0\0")
    wide = Image.fromarray((np.arange(96 * 72).reshape(72, 96) * 9).astype(np.uint16))
    big = zlib.compress(bytes(20_000_000), 9)
    text = b"Comment\0\0" + big
    profile = b"icc\0\0" + big
    end = chunk(b"IEND", b"")
    return [
        bad("signature.png", "PNG: 8 bytes", whole[:8], "header only"),
        bad(
            "junk_behind_signature.png",
            "PNG signature, then junk",
            whole[:8] + b"junk" * 50,
            "header only",
            "damaged stream",
        ),
        bad("bad_header_crc.png", "PNG with a wrong header checksum", header_crc, "damaged stream"),
        bad("bad_data_crc.png", "PNG with a wrong data checksum", data_crc, "damaged stream"),
        bad("one_byte.png", "PNG with one byte of its data changed", _changed(whole, at + 900), "damaged stream"),
        bad("no_data.png", "PNG without data", whole[: at - 4] + end, "header only"),
        bad(
            "few_rows.png",
            "PNG whose data end early",
            crafted.png(*rgb, zlib.compress(rows[:9999])),
            "truncated",
            "damaged stream",
        ),
        bad("not_deflate.png", "PNG whose data are text", crafted.png(*rgb, b"text" * 99), "damaged stream"),
        bad("no_width.png", "PNG of width 0", crafted.png(0, 72, 8, 2, body), "damaged stream", "header only"),
        bad("depth.png", "PNG of 7 bits", crafted.png(96, 72, 7, 2, body), "damaged stream", "unsupported"),
        bad("bomb.png", "PNG that claims 60,000 × 60,000", crafted.png(60000, 60000, 8, 2, body), "too large"),
        bad(
            "bomb31.png", "PNG that claims 2³¹ − 1 squared", crafted.png(2**31 - 1, 2**31 - 1, 8, 2, body), "too large"
        ),
        bad("bomb_full.png", "PNG of 20,000 × 20,000 in 50 kB", flat_png(20000, 20000), "too large"),
        bad("no_end.png", "PNG without its end", crafted.png(*rgb, body, after=b""), "truncated"),
        bad(
            "text_bomb.png",
            "PNG with 20 MB of packed comment",
            crafted.png(*rgb, body, chunk(b"zTXt", text)),
            "too large",
        ),
        bad(
            "profile_bomb.png",
            "PNG with 20 MB of packed profile",
            crafted.png(*rgb, body, chunk(b"iCCP", profile)),
            "too large",
        ),
        good("junk_behind.png", "PNG with junk behind its end", whole + b"junk" * 1000),
        good("private.png", "PNG with an unknown chunk", crafted.png(*rgb, body, chunk(b"prVt", b"x" * 999))),
        good("16bit.png", "grey PNG of 16 bits", encoded(wide, "PNG")),
        good("1bit.png", "PNG of 1 bit", encoded(picture("1"), "PNG")),
        good("palette.png", "palette PNG with transparency", encoded(first, "PNG", transparency=3)),
        good("alpha.png", "PNG with alpha", encoded(picture("RGBA"), "PNG")),
        good("grey_alpha.png", "grey PNG with alpha", encoded(picture("LA"), "PNG")),
        good("interlaced.png", "interlaced PNG", crafted.interlaced_png(np.asarray(image))),
        good("animated.png", "animated PNG", _animated("PNG")),
    ]


def tiffs() -> list[Hostile]:
    """TIFF."""
    image = picture()
    rng = np.random.default_rng(1)
    real = rng.normal(0, 1, (72, 96)).astype(np.float32)
    holes = real.copy()
    holes[::7] = np.nan
    holes[0, 0] = np.inf
    whole = encoded(image, "TIFF")
    packed = encoded(image, "TIFF", compression="tiff_lzw")
    return [
        bad("bomb.tif", "TIFF that claims 60,000 × 60,000", crafted.grey_tiff(60000, 60000, stored=99), "too large"),
        bad("no_tags.tif", "TIFF without tags", crafted.tiff({}), "header only", "damaged stream"),
        bad(
            "many_tags.tif", "TIFF that claims 65,535 tags", whole[:8] + b"\xff" * 300, "header only", "damaged stream"
        ),
        bad(
            "far.tif",
            "TIFF whose directory lies behind its end",
            b"II*\0\xf0\xff\xff\xff" + bytes(90),
            "header only",
            "truncated",
            "damaged stream",
        ),
        bad("few_pixels.tif", "TIFF without half of its pixels", crafted.grey_tiff(96, 72, stored=3456), "truncated"),
        bad("hole.tif", "TIFF, packed, with 1,000 zeroed bytes", _hole(packed, 3000, 1000), "damaged stream"),
        good("loop.tif", "TIFF whose next page is itself", crafted.grey_tiff(*SIDE, following=8)),
        good("pages.tif", "TIFF of three pages", encoded(image, "TIFF", save_all=True, append_images=[image] * 2)),
        good("float.tif", "float TIFF", encoded(Image.fromarray(real), "TIFF")),
        good("nan.tif", "float TIFF with NaN and infinity", encoded(Image.fromarray(holes), "TIFF")),
        good("all_nan.tif", "float TIFF of NaN", encoded(Image.fromarray(np.full((72, 96), np.nan, "f4")), "TIFF")),
        good("negative.tif", "TIFF of negative integers", encoded(Image.fromarray(-np.ones((72, 96), "i4")), "TIFF")),
        good("16bit.tif", "TIFF of 16 bits", encoded(Image.fromarray((real * 9999 + 3e4).astype("u2")), "TIFF")),
        good("cmyk.tif", "CMYK TIFF", encoded(picture("CMYK"), "TIFF")),
        good("lab.tif", "Lab TIFF", encoded(_lab(image), "TIFF")),
        good("named.jpg", "TIFF under the name of a JPEG", whole),
    ]


def others() -> list[Hostile]:
    """The other formats."""
    image, flat = picture(), picture("P")
    bmp = encoded(image, "BMP")
    upside_down = patched(bmp, 22, struct.pack("<i", -72))
    gif = encoded(flat, "GIF")
    webp, avif = encoded(image, "WEBP"), encoded(image, "AVIF")
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    text = b"P3 2 2 255\n" + b"255 0 0  0 255 0  0 0 255  9 9 9\n"
    packed_ico = crafted.icon(flat_png(30000, 30000), 16)
    return [
        bad(
            "header_size.bmp",
            "BMP with a header of 4 GB",
            patched(bmp, 14, b"\xff" * 4),
            "damaged stream",
            "truncated",
            "unsupported",
        ),
        bad("wide.bmp", "BMP that claims 2 billion columns", patched(bmp, 18, b"\xff\xff\xff\x7f"), "too large"),
        bad("bomb.gif", "GIF that claims 65,535 × 65,535", patched(gif, 6, b"\xff" * 4), "too large"),
        bad("no_frame.gif", "GIF without a frame", gif[:13] + b";", "header only", "truncated", "damaged stream"),
        bad(
            "bomb.ico", "ICO of 16 × 16 that holds a PNG of 30,000 × 30,000", packed_ico, "too large", "damaged stream"
        ),
        bad("bomb.ppm", "PPM that claims 60,000 × 60,000", b"P6 60000 60000 255\n" + bytes(99), "too large"),
        bad(
            "maxval.ppm",
            "PPM with values up to 70,000",
            b"P6 9 9 70000\n" + bytes(999),
            "damaged stream",
            "unsupported",
        ),
        bad(
            "comment.ppm",
            "PPM: a comment without end",
            b"P6\n#" + b"x" * 9999,
            "header only",
            "damaged stream",
            "truncated",
        ),
        bad("phone.heic", "HEIC: its header", heic, "unsupported", "header only"),
        good("upside_down.bmp", "BMP of negative height", upside_down),
        good("packed.bmp", "BMP, run-length encoded", crafted.packed_bmp(*SIDE)),
        good("text.ppm", "PPM of plain text", text, (2, 2)),
        good("deep.pgm", "PGM with values up to 65,535", b"P5 2 2 65535\n" + bytes(range(8)), (2, 2)),
        good("bits.pbm", "PBM of plain text", b"P1\n# comment\n3 2\n1 0 1 0 1 0\n", (3, 2)),
        good("animated.gif", "animated GIF", _animated("GIF")),
        good("animated.webp", "animated WebP", _animated("WEBP")),
        good("no_palette.gif", "GIF without a palette", crafted.gif_without_palette(), (4, 4)),
        good("lossless.webp", "lossless WebP with alpha", encoded(picture("RGBA"), "WEBP", lossless=True)),
        good("junk.webp", "WebP with junk behind its end", webp + b"junk" * 99),
        good("whole.avif", "AVIF", avif),
        good("whole.jp2", "JPEG 2000", encoded(image, "JPEG2000")),
        good("stream.j2k", "JPEG 2000 without its box", encoded(image, "JPEG2000", no_jp2=True)),
        good("two.mpo", "MPO of two pictures", encoded(image, "MPO", save_all=True, append_images=[image])),
        good("icon.ico", "ICO", encoded(image, "ICO", sizes=[(48, 48)]), (48, 36)),
    ]


def _changed(data: bytes, at: int) -> bytes:
    return patched(data, at, bytes([data[at] ^ 0x55]))


def _hole(data: bytes, at: int, size: int) -> bytes:
    return patched(data, at, bytes(size))


def _animated(kind: str) -> bytes:
    frames = [picture("RGB"), picture("RGB").transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)


def _lab(image: Image.Image) -> Image.Image:
    change = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    found = ImageCms.applyTransform(image, change)
    if found is None:
        raise RuntimeError("the picture was not converted")
    return found
