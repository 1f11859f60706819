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
  # What it needs to know of precompiled headers (ccache's manual).
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env CCACHE_SLOPPINESS=pch_defines,time_macros "${CCACHE}")
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

# A release is optimised for size: what a short-lived program costs is the pages it touches. But for these sources, which
# have something to calculate.
function(berth_fast)
  set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS $<$<CONFIG:Release>:-O2>)
endfunction()

# Where programs leave the reports of sanitizers, one file each (the preset asan sets it). Tests run programs as other users,
# too.
set(BERTH_SANITIZER_REPORTS "" CACHE PATH "Directory for the reports of sanitizers")
if(BERTH_SANITIZER_REPORTS)
  file(MAKE_DIRECTORY "${BERTH_SANITIZER_REPORTS}")
  file(CHMOD "${BERTH_SANITIZER_REPORTS}" PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_WRITE GROUP_EXECUTE WORLD_READ WORLD_WRITE WORLD_EXECUTE)
  add_library(berth_sanitizer_options OBJECT "${CMAKE_SOURCE_DIR}/lib/base/sanitizer_options.cc")
  target_compile_definitions(berth_sanitizer_options PRIVATE BERTH_SANITIZER_REPORTS="${BERTH_SANITIZER_REPORTS}")
  # (As shared objects the two share a function that sets the path, and one of them does not learn it.)
  target_link_options(berth_sanitizer_options INTERFACE -static-libasan -static-libubsan)
endif()

# How an executable that is installed is linked. A static one does without what the libraries bring along and we do not need.
function(berth_link name)
  if(BERTH_SANITIZER_REPORTS)
    target_link_libraries(${name} PRIVATE berth_sanitizer_options)
  endif()
  if(BERTH_STATIC)
    target_sources(${name} PRIVATE
      "${CMAKE_SOURCE_DIR}/lib/base/name_services.cc"
      "${CMAKE_SOURCE_DIR}/lib/base/terminate.cc")
    target_link_options(${name} PRIVATE -static-pie -Wl,-z,relro,-z,now)
  endif()
endfunction()

# berth_executable(<name> SOURCES a.cc… [USES targets…] DESTINATION dir)
function(berth_executable name)
  cmake_parse_arguments(ARG "" "DESTINATION" "SOURCES;USES" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE berth_options ${ARG_USES})
  berth_link(${name})
  add_dependencies(suite ${name})
  install(TARGETS ${name} RUNTIME DESTINATION "${ARG_DESTINATION}")
endfunction()

# berth_program(<name> SOURCES a.cc… [USES targets…] DESTINATION dir)
# A program of the one executable that all CNI plugins, cnitool and cni-hook are (plugins/multicall): a name of it. Its
# entry, NAME_main, is listed in plugins/multicall/programs.h.
function(berth_program name)
  cmake_parse_arguments(ARG "" "DESTINATION" "SOURCES;USES" ${ARGN})
  string(REPLACE "-" "_" identifier "${name}")
  berth_library(${identifier}_program SOURCES ${ARG_SOURCES} USES ${ARG_USES})
  set_property(GLOBAL APPEND PROPERTY BERTH_PROGRAMS "${name}")
  set_property(GLOBAL PROPERTY "BERTH_PROGRAM_${name}" "${ARG_DESTINATION}")
endfunction()

# Hard links of the executable TARGET under the names of all programs, in the build tree and where each is installed.
# (/proc/self/exe of a hard link tells the name it was started by. Where the destination is another file system it is a
# copy.)
function(berth_link_programs target)
  get_property(names GLOBAL PROPERTY BERTH_PROGRAMS)
  foreach(name IN LISTS names)
    set(link "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/${name}")
    add_custom_command(OUTPUT "${link}"
      COMMAND "${CMAKE_COMMAND}" -E rm -f "${link}"
      COMMAND "${CMAKE_COMMAND}" -E create_hardlink "$<TARGET_FILE:${target}>" "${link}"
      DEPENDS ${target} VERBATIM)
    add_custom_target(${name} DEPENDS "${link}")
    add_dependencies(suite ${name})
    get_property(destination GLOBAL PROPERTY "BERTH_PROGRAM_${name}")
    install(CODE "
      set(directory \"\$ENV{DESTDIR}${destination}\")
      if(NOT DEFINED BERTH_FIRST_PROGRAM)
        file(INSTALL \"$<TARGET_FILE:${target}>\" DESTINATION \"\${directory}\" TYPE PROGRAM RENAME \"${name}\")
        set(BERTH_FIRST_PROGRAM \"\${directory}/${name}\")
      else()
        file(MAKE_DIRECTORY \"\${directory}\")
        file(REMOVE \"\${directory}/${name}\")
        file(CREATE_LINK \"\${BERTH_FIRST_PROGRAM}\" \"\${directory}/${name}\" COPY_ON_ERROR)
        message(STATUS \"Installing: \${directory}/${name}\")
      endif()")
  endforeach()
endfunction()
