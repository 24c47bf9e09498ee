# version.cmake - "version.h": ZL_VERSION is the project's version and, inside a git tree, the commit it was built from.
# Made anew at every build, written only when it changed.

set(ZL_VERSION_BASE ${PROJECT_VERSION})
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/generated)
set(version_command ${CMAKE_COMMAND}
  -DBASE=${ZL_VERSION_BASE} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUT=${CMAKE_BINARY_DIR}/generated/version.h
  -P ${CMAKE_SOURCE_DIR}/cmake/version_h.cmake)
execute_process(COMMAND ${version_command} COMMAND_ERROR_IS_FATAL ANY)
add_custom_target(zl_version_h ${version_command} BYPRODUCTS ${CMAKE_BINARY_DIR}/generated/version.h)
