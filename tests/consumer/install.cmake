# Builds the library on its own and installs it to a prefix.
#
# cmake -DSOURCE= -DBUILD= -DPREFIX= -DSHARED=ON|OFF -DSETTINGS=<list of -D…> -P install.cmake
include(${CMAKE_CURRENT_LIST_DIR}/execute.cmake)

file(REMOVE_RECURSE ${PREFIX})
execute(${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} ${SETTINGS} -DBUILD_SHARED_LIBS=${SHARED}
  -DAETHERGRAPH_TESTS=OFF -DAETHERGRAPH_EXAMPLES=OFF -DCMAKE_INSTALL_PREFIX=${PREFIX})
execute(${CMAKE_COMMAND} --build ${BUILD})
execute(${CMAKE_COMMAND} --install ${BUILD})

# An installed package can be moved to another machine.
file(GLOB_RECURSE packaged ${PREFIX}/*.cmake)
if(packaged STREQUAL "")
  message(FATAL_ERROR "no package configuration was installed under ${PREFIX}")
endif()
foreach(file IN LISTS packaged)
  file(READ ${file} text)
  foreach(path IN ITEMS ${SOURCE} ${BUILD} ${PREFIX})
    string(FIND "${text}" "${path}" at)
    if(NOT at EQUAL -1)
      message(FATAL_ERROR "${file} names ${path}, which other machines do not have")
    endif()
  endforeach()
endforeach()
