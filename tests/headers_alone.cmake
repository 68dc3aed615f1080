# Each header compiles as the only include of a translation unit, twice: it brings in what it needs, and its guard works.
# Those that a unit test includes first have shown it there.

set(include_dir ${PROJECT_SOURCE_DIR}/include)
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${include_dir} ${include_dir}/*.hpp)
set(units "")
foreach(header IN LISTS headers)
  get_filename_component(name ${header} NAME_WE)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/unit/${name}.cpp)
    continue()
  endif()
  set(unit ${CMAKE_CURRENT_BINARY_DIR}/headers/${header}.cpp)
  set(text "#include <${header}>\n#include <${header}>\n")
  file(CONFIGURE OUTPUT ${unit} CONTENT "${text}" @ONLY)  # leaves a file alone that has this text already
  list(APPEND units ${unit})
endforeach()

add_library(headers_alone OBJECT ${units})
target_link_libraries(headers_alone PRIVATE aethergraph::aethergraph aethergraph_developer_settings)
target_compile_options(headers_alone PRIVATE -O0)
