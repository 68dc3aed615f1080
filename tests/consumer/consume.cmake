# Configures, builds and runs the consumer.
#
# cmake -DPROGRAM=<its source> -DBUILD= -DSETTINGS=<list of -D…> -P consume.cmake
include(${CMAKE_CURRENT_LIST_DIR}/execute.cmake)

file(REMOVE ${BUILD}/CMakeCache.txt)  # what an earlier run found is not to be found again
execute(${CMAKE_COMMAND} -S ${PROGRAM} -B ${BUILD} ${SETTINGS})
execute(${CMAKE_COMMAND} --build ${BUILD})
execute(${BUILD}/consumer)
