# Standard and foreign headers, read once instead of by every file: half of what the compiler would do.
#
# Of ours there is none in it, so that layers see each other as without. The presets dev, asan and release also compile the files of
# one target eight at a time (CMAKE_UNITY_BUILD), which halves the rest: a name in an unnamed namespace is then one in the
# whole target. The presets tsan and fuzz do without both: there a file that forgets a header of its own does not compile.

set(PRECOMPILED_STANDARD
    <algorithm> <array> <charconv> <chrono> <cstdint> <cstring> <deque> <expected> <filesystem> <functional> <map> <memory>
    <optional> <set> <span> <string> <string_view> <utility> <variant> <vector> <fmt/format.h>)
set(PRECOMPILED_ASIO <boost/asio/any_io_executor.hpp> <boost/asio/awaitable.hpp>)

# With SALLYPORT_QUICK_SERVICES, what waits for sockets and what tests are compiled without optimisation, in half the time;
# parsers, cryptography and the store keep theirs.
function(compile_quickly name)
  if(SALLYPORT_QUICK_SERVICES)
    target_compile_options(${name} PRIVATE -O0)
  endif()
endfunction()

# A target that nothing links; the others take what it has compiled.
function(precompiled name)
  cmake_parse_arguments(ARG "QUICKLY" "" "HEADERS;LINK" ${ARGN})
  file(WRITE ${CMAKE_BINARY_DIR}/precompiled/${name}.cc "")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/precompiled/${name}.cc)
  target_link_libraries(${name} PRIVATE sallyport_flags ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
  if(ARG_QUICKLY)
    compile_quickly(${name})
  endif()
endfunction()

if(SALLYPORT_PRECOMPILED_HEADERS)
  precompiled(precompiled_standard HEADERS ${PRECOMPILED_STANDARD} LINK fmt::fmt)
  precompiled(precompiled_asio QUICKLY HEADERS ${PRECOMPILED_STANDARD} ${PRECOMPILED_ASIO} LINK fmt::fmt Boost::headers Threads::Threads)
  if(SALLYPORT_TESTS)
    precompiled(precompiled_standard_test QUICKLY HEADERS ${PRECOMPILED_STANDARD} <gtest/gtest.h> LINK fmt::fmt GTest::gtest)
    precompiled(precompiled_asio_test QUICKLY HEADERS ${PRECOMPILED_STANDARD} ${PRECOMPILED_ASIO} <gtest/gtest.h>
                LINK fmt::fmt GTest::gtest Boost::headers Threads::Threads)
  endif()
endif()

# precompile(TARGET KIND [DEPS layer…]): takes the headers that a target of these layers reads anyway, and is compiled quickly
# where it may. KIND is "" or "_test".
function(precompile name kind)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  if("net" IN_LIST ARG_DEPS OR kind STREQUAL "_test")
    compile_quickly(${name})
  endif()
  if(SALLYPORT_PRECOMPILED_HEADERS AND "net" IN_LIST ARG_DEPS)
    target_precompile_headers(${name} REUSE_FROM precompiled_asio${kind})
  elseif(SALLYPORT_PRECOMPILED_HEADERS)
    target_precompile_headers(${name} REUSE_FROM precompiled_standard${kind})
  endif()
endfunction()

# precompile_programs(FIRST [OTHER…]): of the first its own, since a program is compiled for another place than a library is;
# the others take them from it.
function(precompile_programs first)
  if(NOT SALLYPORT_PRECOMPILED_HEADERS)
    return()
  endif()
  target_precompile_headers(${first} PRIVATE ${PRECOMPILED_STANDARD} ${PRECOMPILED_ASIO})
  compile_quickly(${first})
  foreach(other IN LISTS ARGN)
    compile_quickly(${other})
    target_precompile_headers(${other} REUSE_FROM ${first})
  endforeach()
endfunction()
