# The functions behind cmake/Layers.cmake: a layer's target, its include roots, its check, its tests and fuzz targets.
#
# The project that includes this file has ./src/<layer>/, tools/check_layers.py, Python3 found, and a target sallyport_flags.

include(${CMAKE_CURRENT_LIST_DIR}/Precompiled.cmake)

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
  precompile(${name} "" DEPS ${name} ${ARG_DEPS})

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
    precompile(${name}_test _test DEPS ${name} ${ARG_DEPS})
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
    target_link_libraries(fuzz_${name} PRIVATE fuzz_replay)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE ${ARG_DEPS} sallyport_flags)
  precompile(fuzz_${name} "" DEPS ${ARG_DEPS})
  set_property(GLOBAL APPEND PROPERTY SALLYPORT_FUZZ_TARGETS fuzz_${name})
endfunction()
