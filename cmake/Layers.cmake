# The layer table: the whole truth about who may include whom. A new edge is an ADR; cmake/LayerRules.cmake enforces it.
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

include(${CMAKE_CURRENT_LIST_DIR}/LayerRules.cmake)

# ground
layer(base      EXTERNAL spdlog::spdlog EXTERNAL_PUBLIC fmt::fmt)
layer(codec     DEPS base EXPOSES base EXTERNAL Boost::json ZLIB::ZLIB)
layer(crypto    DEPS base codec EXPOSES base EXTERNAL OpenSSL::SSL OpenSSL::Crypto)
# cores
layer(pki       DEPS base codec crypto EXPOSES base codec crypto)
layer(records   DEPS base codec EXPOSES base codec)
layer(tunnel    DEPS base codec crypto EXPOSES base)
layer(tlog      DEPS base codec crypto EXPOSES base crypto)
layer(sealed    DEPS base codec crypto pki EXPOSES base codec crypto)
layer(telemetry DEPS base codec EXPOSES base)
# adapters
layer(config    DEPS base codec EXPOSES base EXTERNAL ${TOMLPLUSPLUS_LIBRARIES})
layer(keystore  DEPS base codec crypto EXPOSES base crypto EXTERNAL pkcs11_header ${CMAKE_DL_LIBS})
layer(net       DEPS base crypto EXPOSES base crypto EXTERNAL_PUBLIC Boost::headers Threads::Threads)
layer(http      DEPS base codec net EXPOSES base net EXTERNAL_PUBLIC Boost::headers)
layer(mqtt      DEPS base net EXPOSES base net)
layer(store     DEPS base codec records telemetry EXPOSES base records telemetry EXTERNAL SQLite::SQLite3)
layer(rolelink  DEPS base codec crypto pki records net EXPOSES base crypto pki records net)
# services: none of them includes another
layer(root      DEPS base codec crypto pki records keystore config EXPOSES base crypto pki)
layer(factory   DEPS base codec crypto pki records keystore config EXPOSES base crypto pki records)
layer(signer    DEPS base codec crypto pki tunnel tlog keystore net config EXPOSES base crypto pki net EXTERNAL PkgConfig::SECCOMP)
layer(authority DEPS base codec crypto pki records tunnel tlog telemetry net http config EXPOSES base pki records tlog net)
layer(status    DEPS base codec crypto pki records rolelink telemetry keystore net http config EXPOSES base codec pki records rolelink net)
layer(gateway   DEPS base codec crypto pki records rolelink telemetry net http config EXPOSES base pki records telemetry net)
layer(relay     DEPS base codec crypto pki records rolelink tunnel net http config EXPOSES base pki records tunnel net)
layer(console   DEPS base codec crypto pki records rolelink net http config EXPOSES base pki records net http EXTERNAL PkgConfig::ARGON2)
layer(agent     DEPS base codec crypto pki records tunnel tlog sealed telemetry net http keystore config
                EXPOSES base codec crypto pki tunnel tlog sealed telemetry net http keystore)
layer(rpcnode   DEPS base codec crypto pki sealed records keystore net http mqtt config EXPOSES base codec crypto sealed keystore net)

# The console carries its front end inside.
if(TARGET console AND NOT SALLYPORT_GROUND_AND_CORES_ONLY)
  include(${CMAKE_CURRENT_LIST_DIR}/WebAssets.cmake)
  embed_web_assets(console)
endif()
