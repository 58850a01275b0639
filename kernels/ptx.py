"""Compiles cu/*.cu to ptx/*.ptx with NVRTC and measures what ptxas makes of it. Run through ptx.sh."""

import ctypes
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile

import nvidia

ROOT = pathlib.Path(nvidia.__path__[0])
ARCHITECTURES = ["sm_80", "sm_86", "sm_89", "sm_90", "sm_100", "sm_120"]
OPTIONS = [b"--gpu-architecture=compute_80", b"-lineinfo", b"-default-device"]


def compiled(nvrtc, source):
    """The PTX of a .cu file, headed by the hash of what it was made of."""
    text = source.read_bytes()
    program = ctypes.c_void_p()
    name = source.name.encode()
    if nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, name, 0, None, None):
        sys.exit("NVRTC takes no program")
    failed = nvrtc.nvrtcCompileProgram(program, len(OPTIONS), (ctypes.c_char_p * len(OPTIONS))(*OPTIONS))
    size = ctypes.c_size_t()
    if failed:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        sys.exit(log.value.decode())
    nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size))
    ptx = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetPTX(program, ptx)
    body = "\n".join(line.rstrip() for line in ptx.value.decode().strip().splitlines())
    # The name of the folder NVRTC ran in is nobody's business and would be drift.
    body = re.sub(r'(\.file\s+\d+\s+)"(?:[^"]*/)?([^"/]+)"', r'\1"\2"', body)
    head = f"// made of {source.name} by ptx.sh; sha256 {hashlib.sha256(text).hexdigest()}\n"
    return head + body + "\n"


def measured(ptxas, ptx, architecture):
    """(kernel, registers, spilled bytes, static shared bytes) of each kernel, as ptxas reports them."""
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        command = [ptxas, "-v", f"-arch={architecture}", file.name, "-o", "/dev/null"]
        report = subprocess.run(command, check=True, capture_output=True, text=True).stderr
    kernel, spilled = None, 0
    for line in report.splitlines():
        if found := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = found[1]
        elif found := re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spilled = sum(map(int, found.groups()))
        elif found := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            yield kernel, int(found[1]), spilled, int(shared[1]) if shared else 0


def budgets():
    """(kernel, architecture) to (registers, shared bytes)."""
    lines = [line.split("\t") for line in pathlib.Path("budgets.tsv").read_text().splitlines()]
    return {(kernel, arch): (int(registers), int(shared)) for kernel, arch, registers, shared in lines[1:]}


def main():
    check = sys.argv[1:] == ["--check"]
    libraries = ROOT / "cuda_nvrtc" / "lib"
    ctypes.CDLL(libraries / "libnvrtc-builtins.so.12.4", mode=ctypes.RTLD_GLOBAL)
    nvrtc = ctypes.CDLL(libraries / "libnvrtc.so.12")
    ptxas = ROOT / "cu13" / "bin" / "ptxas"
    faults, table = [], []
    for source in sorted(pathlib.Path("cu").glob("*.cu")):
        ptx, target = compiled(nvrtc, source), pathlib.Path("ptx") / f"{source.stem}.ptx"
        if not check:
            target.write_text(ptx)
        elif not target.exists() or target.read_text() != ptx:
            faults.append(f"{target} is not what {source} makes; run ptx.sh")
        for architecture in ARCHITECTURES:
            for kernel, registers, spilled, shared in measured(ptxas, ptx, architecture):
                table.append((kernel, architecture, registers, shared))
                print(f"{kernel:22} {architecture:7} {registers:4} registers  {spilled:4} B spilled  {shared:6} B shared")
                if spilled:
                    faults.append(f"{kernel} on {architecture} spills {spilled} bytes")
    if check:
        allowed = budgets()
        for kernel, architecture, registers, shared in table:
            most = allowed.get((kernel, architecture))
            if most is None or registers > most[0] or shared > most[1]:
                faults.append(f"{kernel} on {architecture}: {registers} registers, {shared} B shared; budget {most}")
    elif not faults:
        rows = ["\t".join(map(str, row)) for row in sorted(table)]
        pathlib.Path("budgets.tsv").write_text("\n".join(["kernel\tarchitecture\tregisters\tshared_bytes", *rows]) + "\n")
    sys.exit("\n".join(faults) or 0)


main()
