# How a layer, a test and a benchmark are declared: one function each, so that their CMake files are lists.

# stamarker_layer(name SOURCES file... [USES layer-or-library...])
# A layer is a static library that sees the project's root of includes and what it uses, no more.
function(stamarker_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;USES" ${ARGN})
  add_library(stamarker_${name} STATIC ${ARG_SOURCES})
  target_include_directories(stamarker_${name} PUBLIC ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(stamarker_${name} PUBLIC ${ARG_USES} PRIVATE stamarker_flags)
endfunction()

# stamarker_test(name SOURCES file... USES layer... [RANKS n...] [LABEL label] [TIMEOUT s] [CUDA_EMULATED])
# Without RANKS every TEST is one entry of ctest. With RANKS the whole binary runs once for each number of ranks,
# as NAME.np<n>, with MPI's main. CUDA_EMULATED adds NAME_emulated, whose GPU is emulated
# (tests/cuda_emulation): its tests of Device::cuda are entries Emulated.*.
# OpenMP threads that wait give their core away: tests run side by side, on more threads than cores.
set(STM_TEST_ENVIRONMENT "OMP_WAIT_POLICY=passive")

function(stamarker_test_executable name sources uses)
  add_executable(${name} ${sources})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_link_libraries(${name} PRIVATE ${uses} stamarker_test_support stamarker_flags)
  target_compile_options(${name} PRIVATE -Og)  # half the time to compile; what is tested has the build's own flags
  # Several sources as one, for most of the time goes into headers.
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests
    UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 6)
endfunction()

function(stamarker_test name)
  cmake_parse_arguments(ARG "CUDA_EMULATED" "TIMEOUT;LABEL" "SOURCES;USES;RANKS" ${ARGN})
  stamarker_test_executable(${name} "${ARG_SOURCES}" "${ARG_USES}")
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_LABEL)
    set(ARG_LABEL unit)
  endif()
  if(NOT ARG_RANKS)
    target_link_libraries(${name} PRIVATE GTest::gtest_main)
    gtest_discover_tests(${name} DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS ${ARG_LABEL} TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${STM_TEST_ENVIRONMENT}")
    if(ARG_CUDA_EMULATED)
      stamarker_test_executable(${name}_emulated "$<TARGET_OBJECTS:${name}>" "${ARG_USES}")
      target_link_libraries(${name}_emulated PRIVATE GTest::gtest_main)
      set_target_properties(${name}_emulated PROPERTIES STM_CUDA_EMULATED ON)
      gtest_discover_tests(${name}_emulated DISCOVERY_TIMEOUT 60 TEST_PREFIX Emulated. TEST_FILTER "*/cuda*"
        PROPERTIES LABELS cuda-emulation TIMEOUT ${ARG_TIMEOUT} ENVIRONMENT "${STM_TEST_ENVIRONMENT}")
    endif()
    return()
  endif()
  target_sources(${name} PRIVATE ${CMAKE_SOURCE_DIR}/tests/support/mpi_main.cpp)
  target_link_libraries(${name} PRIVATE stamarker_comm GTest::gtest)
  foreach(n_ranks IN LISTS ARG_RANKS)
    add_test(NAME ${name}.np${n_ranks}
      COMMAND ${STM_MPIRUN} -n ${n_ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.np${n_ranks} PROPERTIES
      LABELS mpi PROCESSORS ${n_ranks} TIMEOUT ${ARG_TIMEOUT} RESOURCE_LOCK ${name}
      ENVIRONMENT "${STM_TEST_ENVIRONMENT}")
  endforeach()
endfunction()
