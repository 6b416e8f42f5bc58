# embed_web_assets(TARGET): builds web/ whenever one of its sources changes and compiles the result into TARGET, which must
# see console/web_assets.h. The description of the API is embedded beside it, as /api/openapi.yaml.
function(embed_web_assets target)
  set(web ${CMAKE_SOURCE_DIR}/web)
  set(api ${CMAKE_SOURCE_DIR}/docs/api/openapi.yaml)
  set(dist ${CMAKE_BINARY_DIR}/web/dist)
  set(source ${CMAKE_BINARY_DIR}/web/web_assets.cc)
  file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS ${web}/src/*.ts ${web}/src/*.tsx ${web}/src/*.css ${web}/public/*)
  list(FILTER web_sources EXCLUDE REGEX "/src/api/schema\\.d\\.ts$")  # made by the build itself
  add_custom_command(
    OUTPUT ${source}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/build_web.py ${web} --output ${dist}
    COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tools/embed_web.py ${dist} --also /api/openapi.yaml=${api} --output ${source}
    DEPENDS ${web_sources} ${api} ${web}/index.html ${web}/package.json ${web}/package-lock.json ${web}/tsconfig.json
            ${web}/vite.config.ts ${CMAKE_SOURCE_DIR}/tools/build_web.py ${CMAKE_SOURCE_DIR}/tools/embed_web.py
    COMMENT "Building and embedding the console's front end"
    VERBATIM)
  target_sources(${target} PRIVATE ${source})
endfunction()
