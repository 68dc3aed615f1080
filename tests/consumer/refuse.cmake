# Configures the consumer, which must fail with a sentence.
#
# cmake -DPROGRAM=<its source> -DBUILD= -DSETTINGS=<list of -D…> -DSENTENCE= -P refuse.cmake
file(REMOVE ${BUILD}/CMakeCache.txt)
execute_process(COMMAND ${CMAKE_COMMAND} -S ${PROGRAM} -B ${BUILD} ${SETTINGS}
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "the consumer was configured, and must not be; expected: ${SENTENCE}")
endif()
string(REGEX REPLACE "[ \n]+" " " in_one_line "${output}")  # CMake folds its messages
string(FIND "${in_one_line}" "${SENTENCE}" at)
if(at EQUAL -1)
  message(FATAL_ERROR "the expected sentence is missing: ${SENTENCE}\n${output}")
endif()
