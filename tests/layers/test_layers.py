# test: needs=tree deadline=180
"""The layer rule holds at compile time: a toy project under the real rules, broken in every way one can think of."""
import json
import os
import pathlib
import shlex
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

TABLE = """layer(ground)
layer(crypto DEPS ground EXTERNAL OpenSSL::Crypto)
layer(core DEPS ground EXPOSES ground)
layer(hiding DEPS ground)
layer(north DEPS core ground)
layer(south DEPS core hiding)
"""
PROJECT = """cmake_minimum_required(VERSION 3.25)
project(toy LANGUAGES CXX)
set(CMAKE_CXX_STANDARD 23)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(SALLYPORT_TESTS OFF)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
find_package(OpenSSL REQUIRED)
add_library(sallyport_flags INTERFACE)
include(cmake/LayerRules.cmake)
include(table.cmake)
"""
LAYERS = ("ground", "crypto", "core", "hiding", "north", "south")
USES = {"ground": (), "crypto": ("ground/ground.h",), "core": ("ground/ground.h",), "hiding": ("ground/ground.h",),
        "north": ("core/core.h", "ground/ground.h"), "south": ("core/core.h", "hiding/hiding.h")}


class Toy:
    def __init__(self, folder):
        self.folder = folder
        self.build_folder = folder / "build"
        for layer in LAYERS:
            home = folder / "src" / layer
            (home / "detail").mkdir(parents=True)
            (home / f"{layer}.h").write_text(f"#pragma once\nint {layer}();\n")
            (home / "detail" / f"{layer}_inner.h").write_text(f"#pragma once\ninline int {layer}_inner() {{ return 1; }}\n")
            self.write(layer)
        shutil.copytree(cases.ROOT / "cmake", folder / "cmake")
        (folder / "tools").mkdir()
        shutil.copy(cases.ROOT / "tools" / "check_layers.py", folder / "tools")
        (folder / "CMakeLists.txt").write_text(PROJECT)
        self.configured = self.configure(TABLE)

    def write(self, layer, *extra_lines):
        """The one source of a layer, which includes what it may and the lines given."""
        includes = [f'"{layer}/{layer}.h"', f'"{layer}/detail/{layer}_inner.h"'] + [f'"{name}"' for name in USES[layer]]
        lines = [f"#include {name}" for name in includes] + list(extra_lines)
        (self.folder / "src" / layer / f"{layer}.cc").write_text(
            "\n".join(lines) + f"\nint {layer}() {{ return {layer}_inner(); }}\n")

    def run(self, *command):
        return subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120,
                              stdin=subprocess.DEVNULL, env=os.environ | {"CLICOLOR_FORCE": "0"})

    def configure(self, table):
        (self.folder / "table.cmake").write_text(table)
        return self.run("cmake", "-G", "Ninja", "-S", ".", "-B", "build", "-DCMAKE_CXX_COMPILER=clang++-19")

    def build(self):
        return self.run("ninja", "-C", "build")

    def compile_alone(self, layer):
        """What the compiler says without tools/check_layers.py before it."""
        for entry in json.loads((self.build_folder / "compile_commands.json").read_text()):
            if entry["file"].endswith(f"/{layer}.cc"):
                return self.run("sh", "-c", f"cd {shlex.quote(entry['directory'])} && {entry['command']} -fsyntax-only")
        raise cases.Failed(f"no compile command for layer {layer}")


def output(result):
    return " ".join((result.stdout + result.stderr).split())


def refused(result, wanted):
    cases.want(result.returncode != 0, f"exit status 0, want a failure saying {wanted!r}")
    cases.want(wanted in output(result), f"{wanted!r} is not in what was said\n{output(result)[-1500:]}")


def refused_include(toy, layer, line, by_check, by_compiler):
    """`line` in `layer` is named by the check and, where the include roots can hide it, not found by the compiler."""
    toy.write(layer, line)
    try:
        refused(toy.build(), by_check)
        if by_compiler:
            refused(toy.compile_alone(layer), "file not found")
    finally:
        toy.write(layer)


def check_allowed_includes_build(toy):
    cases.want(toy.configured.returncode == 0, f"configure failed\n{output(toy.configured)[-1500:]}")
    built = toy.build()
    cases.want(built.returncode == 0, f"the control build failed\n{output(built)[-1500:]}")
    toy.write("crypto", "#include <openssl/evp.h>")
    built = toy.build()
    toy.write("crypto")
    cases.want(built.returncode == 0, f"crypto may include OpenSSL but did not build\n{output(built)[-1500:]}")


def check_upward_include_is_refused(toy):
    refused_include(toy, "ground", '#include "core/core.h"', "layer 'ground' may not include 'core/core.h' (allowed: nothing)", True)


def check_sideways_include_is_refused(toy):
    refused_include(toy, "north", '#include "south/south.h"', "layer 'north' may not include 'south/south.h' (allowed: core ground)",
                    True)


def check_transitive_include_is_refused(toy):
    refused_include(toy, "north", '#include "hiding/hiding.h"', "layer 'north' may not include 'hiding/hiding.h'", True)


def check_include_visible_through_another_layer_is_refused(toy):
    refused_include(toy, "south", '#include "ground/ground.h"', "layer 'south' may not include 'ground/ground.h'", False)


def check_angle_brackets_do_not_help(toy):
    refused_include(toy, "south", "#include <ground/ground.h>", "layer 'south' may not include 'ground/ground.h'", False)


def check_detail_of_another_layer_is_refused(toy):
    refused_include(toy, "north", '#include "core/detail/core_inner.h"', "'core/detail/core_inner.h' is private to layer 'core'", True)


def check_path_around_the_roots_is_refused(toy):
    refused_include(toy, "north", '#include "../south/south.h"', "layer 'north' may not include '../south/south.h'", False)


def check_computed_include_is_refused(toy):
    refused_include(toy, "south", '#define HEADER "ground/ground.h"\n#include HEADER', "an include must name its file", False)


def check_unqualified_include_is_refused(toy):
    refused_include(toy, "north", '#include "north.h"', 'write the layer too, as "north/north.h"', False)


def check_foreign_header_outside_its_adapter_is_refused(toy):
    refused_include(toy, "north", "#include <openssl/evp.h>", "north includes <openssl/evp.h>, which belongs to crypto", False)


def check_edge_that_points_up_is_refused_in_the_table(toy):
    try:
        refused(toy.configure(TABLE.replace("layer(ground)", "layer(ground DEPS core)")),
                "layer 'ground' may not depend on 'core': it is not below it")
        refused(toy.configure(TABLE.replace("layer(hiding DEPS ground)", "layer(hiding DEPS nowhere)")),
                "layer 'hiding' may not depend on 'nowhere': it is not below it")
    finally:
        toy.configure(TABLE)


def check_exposed_layer_must_be_a_dependency(toy):
    try:
        refused(toy.configure(TABLE.replace("layer(hiding DEPS ground)", "layer(hiding DEPS ground EXPOSES core)")),
                "layer 'hiding' exposes 'core' without depending on it")
    finally:
        toy.configure(TABLE)


if __name__ == "__main__":
    cases.arguments()
    with tempfile.TemporaryDirectory(prefix="sallyport-layers-") as scratch:
        sys.exit(cases.run(globals(), Toy(pathlib.Path(scratch))))
