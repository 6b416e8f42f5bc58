# The layer table: the whole truth about who may include whom, and the functions that enforce it.
#
# A folder under src/ is a layer, a CMake target and a namespace. A header directly in the folder is public; what lies in
# detail/ is private to the layer. `*_test.cc` are the layer's unit tests, every other `*.cc` is its source.
#
#   layer(NAME DEPS …      the layers it may include and is linked with
#              EXPOSES …   those of DEPS that its own public headers include (their users see them too)
#              EXTERNAL …  link items from outside, visible to this layer alone
#              EXTERNAL_PUBLIC …  link items that its public headers need)
#
# Enforcement is threefold: a header that is not public cannot be found, a layer that is not in DEPS cannot be found, and
# tools/check_layers.py names any edge that is visible only through somebody else's EXPOSES before anything is compiled.

set(LAYER_NAMES "" CACHE INTERNAL "layers in dependency order")

function(layer name)
  cmake_parse_arguments(ARG "" "" "DEPS;EXPOSES;EXTERNAL;EXTERNAL_PUBLIC" ${ARGN})
  foreach(dep IN LISTS ARG_DEPS)
    if(NOT dep IN_LIST LAYER_NAMES)
      message(FATAL_ERROR "layer '${name}' may not depend on '${dep}': it is not below it (below are: ${LAYER_NAMES})")
    endif()
  endforeach()
  foreach(exposed IN LISTS ARG_EXPOSES)
    if(NOT exposed IN_LIST ARG_DEPS)
      message(FATAL_ERROR "layer '${name}' exposes '${exposed}' without depending on it (allowed: ${ARG_DEPS})")
    endif()
  endforeach()
  set(LAYER_NAMES ${LAYER_NAMES} ${name} CACHE INTERNAL "layers in dependency order")
  set(LAYER_${name}_DEPS "${ARG_DEPS}" CACHE INTERNAL "layers that ${name} may include")

  set(dir ${CMAKE_SOURCE_DIR}/src/${name})
  file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.cc ${dir}/detail/*.cc)
  file(GLOB public_headers CONFIGURE_DEPENDS ${dir}/*.h)
  set(tests ${sources})
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(NOT sources)
    return()  # nothing built in this layer yet
  endif()

  # The public root holds a link per public header; the private root shows the layer its own folder whole.
  set(public_root ${CMAKE_BINARY_DIR}/include/${name})
  set(private_root ${CMAKE_BINARY_DIR}/include-private/${name})
  file(REMOVE_RECURSE ${public_root})
  file(MAKE_DIRECTORY ${public_root}/${name} ${private_root})
  foreach(header IN LISTS public_headers)
    get_filename_component(file ${header} NAME)
    file(CREATE_LINK ${header} ${public_root}/${name}/${file} SYMBOLIC)
  endforeach()
  file(CREATE_LINK ${dir} ${private_root}/${name} SYMBOLIC)

  set(stamp ${CMAKE_BINARY_DIR}/layer-check/${name}.stamp)
  file(GLOB everything CONFIGURE_DEPENDS ${dir}/*.cc ${dir}/*.h ${dir}/detail/*.cc ${dir}/detail/*.h)
  string(REPLACE ";" "," allowed "${ARG_DEPS}")
  add_custom_command(
    OUTPUT ${stamp}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/check_layers.py --layer ${name} "--may-include=${allowed}" --folder
            ${dir} --stamp ${stamp}
    DEPENDS ${everything} ${CMAKE_SOURCE_DIR}/tools/check_layers.py
    COMMENT "Checking the includes of ${name}"
    VERBATIM)
  add_custom_target(${name}_layer_check DEPENDS ${stamp})

  add_library(${name} STATIC ${sources})
  set_target_properties(${name} PROPERTIES OUTPUT_NAME sallyport_${name})
  add_dependencies(${name} ${name}_layer_check)
  target_include_directories(${name} PRIVATE ${private_root} INTERFACE ${public_root})
  set(hidden_deps ${ARG_DEPS})
  foreach(exposed IN LISTS ARG_EXPOSES)
    list(REMOVE_ITEM hidden_deps ${exposed})
    if(TARGET ${exposed})
      target_link_libraries(${name} PUBLIC ${exposed})
    endif()
  endforeach()
  foreach(dep IN LISTS hidden_deps)
    if(TARGET ${dep})
      target_link_libraries(${name} PRIVATE ${dep})
    endif()
  endforeach()
  target_link_libraries(${name} PRIVATE sallyport_flags ${ARG_EXTERNAL} PUBLIC ${ARG_EXTERNAL_PUBLIC})

  if(tests AND SALLYPORT_TESTS)
    add_executable(${name}_test ${tests})
    add_dependencies(${name}_test ${name}_layer_check)
    target_include_directories(${name}_test PRIVATE ${private_root})
    target_compile_definitions(${name}_test PRIVATE SALLYPORT_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    target_link_libraries(${name}_test PRIVATE ${name} ${ARG_DEPS_BUILT} sallyport_flags GTest::gtest GTest::gtest_main ${ARG_EXTERNAL})
    foreach(dep IN LISTS ARG_DEPS)
      if(TARGET ${dep})
        target_link_libraries(${name}_test PRIVATE ${dep})
      endif()
    endforeach()
    set_property(GLOBAL APPEND PROPERTY SALLYPORT_TEST_TARGETS ${name}_test)
  endif()
endfunction()

# fuzz_target(NAME DEPS layer…): fuzz/NAME.cc. With the fuzz preset a libFuzzer program; otherwise a program that replays
# fuzz/corpus/NAME/, which the ordinary test run does.
function(fuzz_target name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  add_executable(fuzz_${name} ${CMAKE_SOURCE_DIR}/fuzz/${name}.cc)
  if(SALLYPORT_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  else()
    target_sources(fuzz_${name} PRIVATE ${CMAKE_SOURCE_DIR}/fuzz/replay_main.cc)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_DEPS} sallyport_flags)
  set_property(GLOBAL APPEND PROPERTY SALLYPORT_FUZZ_TARGETS fuzz_${name})
endfunction()

# ---------------------------------------------------------------------------------------------------------------------
# ground
layer(base      EXTERNAL spdlog::spdlog EXTERNAL_PUBLIC fmt::fmt)
layer(codec     DEPS base EXPOSES base EXTERNAL Boost::json)
layer(crypto    DEPS base codec EXPOSES base EXTERNAL OpenSSL::SSL OpenSSL::Crypto)
# cores
layer(pki       DEPS base codec crypto EXPOSES base codec crypto)
layer(records   DEPS base codec EXPOSES base codec)
layer(tunnel    DEPS base codec crypto EXPOSES base)
layer(sealed    DEPS base codec crypto pki EXPOSES base)
layer(telemetry DEPS base codec EXPOSES base)
# adapters
layer(config    DEPS base codec EXPOSES base EXTERNAL ${TOMLPLUSPLUS_LIBRARIES})
layer(keystore  DEPS base codec crypto EXPOSES base crypto)
layer(net       DEPS base crypto EXPOSES base crypto EXTERNAL_PUBLIC Boost::headers Threads::Threads)
layer(http      DEPS base codec net EXPOSES base net EXTERNAL_PUBLIC Boost::headers)
layer(mqtt      DEPS base net EXPOSES base net)
layer(store     DEPS base codec records telemetry EXPOSES base records telemetry EXTERNAL SQLite::SQLite3)
# services: none of them includes another
layer(root      DEPS base codec crypto pki records keystore config EXPOSES base crypto pki)
layer(factory   DEPS base codec crypto pki records keystore config EXPOSES base crypto pki records)
layer(signer    DEPS base codec crypto pki tunnel keystore net config EXPOSES base crypto pki net EXTERNAL PkgConfig::SECCOMP)
layer(authority DEPS base codec crypto pki records tunnel telemetry net http config EXPOSES base pki records net)
layer(status    DEPS base codec crypto pki records telemetry net http config EXPOSES base pki records net)
layer(gateway   DEPS base codec crypto pki records telemetry net http config EXPOSES base pki records telemetry net)
layer(relay     DEPS base codec crypto pki records tunnel net http config EXPOSES base pki records tunnel net)
layer(console   DEPS base codec crypto pki records net http config EXPOSES base pki records net http EXTERNAL PkgConfig::ARGON2)
layer(agent     DEPS base codec crypto pki records tunnel telemetry net http keystore config
                EXPOSES base crypto pki tunnel telemetry net)
layer(rpcnode   DEPS base codec crypto pki sealed records net http mqtt config EXPOSES base net)
