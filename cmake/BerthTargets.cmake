# How every target of the project is built. A folder is a target; a target lists exactly what it uses.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")

option(BERTH_STATIC "Link executables statically where every library they use is an archive" ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CCACHE}")
endif()

# Everything that is installed, and nothing else.
add_custom_target(suite)

add_library(berth_options INTERFACE)
target_compile_options(berth_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wnon-virtual-dtor -Woverloaded-virtual -Wimplicit-fallthrough
  -Werror -fstack-protector-strong)
target_compile_definitions(berth_options INTERFACE
  _GNU_SOURCE BERTH_VERSION="${PROJECT_VERSION}" JSON_USE_IMPLICIT_CONVERSIONS=0)
target_include_directories(berth_options INTERFACE "${CMAKE_SOURCE_DIR}/lib" "${CMAKE_SOURCE_DIR}")

# berth_library(<name> SOURCES a.cc… [USES targets…])
# With LTO its objects hold machine code as well: the many tests link that, and are linked in no time.
function(berth_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_library(${name} STATIC ${ARG_SOURCES})
  target_link_libraries(${name} PUBLIC berth_options ${ARG_USES})
  if(CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    target_compile_options(${name} PRIVATE -ffat-lto-objects)
  endif()
endfunction()

# berth_executable(<name> SOURCES a.cc… [USES targets…] DESTINATION dir)
function(berth_executable name)
  cmake_parse_arguments(ARG "" "DESTINATION" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE berth_options ${ARG_USES})
  if(BERTH_STATIC)
    target_link_options(${name} PRIVATE -static-pie -Wl,-z,relro,-z,now)
  endif()
  add_dependencies(suite ${name})
  install(TARGETS ${name} RUNTIME DESTINATION "${ARG_DESTINATION}")
endfunction()
