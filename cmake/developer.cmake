# Warnings, sanitizers and caching: for this project's own build, never for its users. Included before any target is
# made, so that everything of ours is built with the same sanitizers.

option(AETHERGRAPH_WERROR "Treat warnings as errors" ON)
set(AETHERGRAPH_SANITIZE "" CACHE STRING "Sanitizers for everything, such as address,undefined or thread")

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release, Debug or RelWithDebInfo" FORCE)
endif()

find_program(CCACHE ccache)
mark_as_advanced(CCACHE)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # What one checkout has compiled serves the others: paths within it are as seen from the build directory. The last
  # setting is what ccache needs to cache what is compiled with precompiled headers.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE})
endif()

# What the library, the tests, the examples and the benchmarks link for the flags they share.
add_library(aethergraph_developer_settings INTERFACE)
target_compile_options(aethergraph_developer_settings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion)
if(AETHERGRAPH_WERROR)
  target_compile_options(aethergraph_developer_settings INTERFACE -Werror)
endif()
target_compile_definitions(aethergraph_developer_settings INTERFACE BOOST_ASIO_NO_DEPRECATED)

# For the tests, which all include the same: a third of the time that they take to compile.
add_library(aethergraph_precompiled INTERFACE)
target_precompile_headers(aethergraph_precompiled INTERFACE <aethergraph/aethergraph.hpp> <support/catch.hpp>)
target_compile_options(aethergraph_precompiled INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> "$<$<CXX_COMPILER_ID:Clang>:SHELL:-Xclang -fno-pch-timestamp>")

if(AETHERGRAPH_SANITIZE)
  add_compile_options(-fsanitize=${AETHERGRAPH_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${AETHERGRAPH_SANITIZE})
  if(AETHERGRAPH_SANITIZE MATCHES "undefined")
    # Left out is what AddressSanitizer finds when it comes to an access, and alignment, which clang looks after below:
    # they take g++ twice as long as all the rest.
    add_compile_options(
      -fno-sanitize=null,object-size,vptr,pointer-overflow,alignment -fno-sanitize-recover=undefined)
  endif()
  if(AETHERGRAPH_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    add_compile_options(-fsanitize=alignment -fno-sanitize-recover=alignment)
    add_link_options(-fsanitize=alignment)
  endif()
  if(AETHERGRAPH_SANITIZE MATCHES "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wno-tsan)  # Asio uses fences, which g++ warns that it cannot follow
  endif()
endif()
