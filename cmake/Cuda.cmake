# The CUDA back end of the native evaluator: mdbench_native_cuda.so, and its tests. With EMULATE the
# kernels are compiled for the CPU, against tests/cuda/emulation.hpp: for tests, never installed.

set(MDBENCH_CUDA AUTO CACHE STRING
    "CUDA evaluator: ON, OFF, AUTO (where nvcc and a GPU are), EMULATE (on the CPU, for tests)")
set_property(CACHE MDBENCH_CUDA PROPERTY STRINGS AUTO ON OFF EMULATE)
set(MDBENCH_CUDA_ARCHITECTURES "80-real;90-real;100" CACHE STRING
    "GPUs that the kernels are compiled for; newer ones compile the last one's PTX when they start")

# nvcc and a GPU; an older nvcc does not know the newest architectures.
function(mdbench_find_cuda result)
  set(${result} OFF PARENT_SCOPE)
  find_program(MDBENCH_NVIDIA_SMI nvidia-smi)
  if(NOT MDBENCH_NVIDIA_SMI)
    return()
  endif()
  execute_process(COMMAND ${MDBENCH_NVIDIA_SMI} -L RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(failed)
    return()
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  set(version 0)
  if(CMAKE_CUDA_COMPILER)
    execute_process(COMMAND ${CMAKE_CUDA_COMPILER} --version OUTPUT_VARIABLE version)
    string(REGEX REPLACE ".*release ([0-9.]+).*" "\\1" version "${version}")
  endif()
  if(version VERSION_LESS 12.8)
    message(STATUS "A GPU is here but no nvcc of CUDA 12.8 or newer: no CUDA evaluator")
    return()
  endif()
  set(${result} ON PARENT_SCOPE)
endfunction()

set(mdbench_cuda ${MDBENCH_CUDA})
if(mdbench_cuda STREQUAL AUTO)
  mdbench_find_cuda(mdbench_cuda)
endif()
if(NOT mdbench_cuda)
  return()
endif()

set(MDBENCH_CUDA_KERNELS plugin/kernels/cuda/columns.cu plugin/kernels/cuda/contraction.cu
  plugin/kernels/cuda/dense.cu plugin/kernels/cuda/edge_forward.cu
  plugin/kernels/cuda/edge_reverse.cu plugin/kernels/cuda/exchange.cu
  plugin/kernels/cuda/finish.cu plugin/kernels/cuda/gates.cu plugin/kernels/cuda/gradients.cu
  plugin/kernels/cuda/moments.cu
  plugin/kernels/cuda/readout.cu plugin/kernels/cuda/scan.cu plugin/kernels/cuda/search.cu
  plugin/kernels/cuda/tiles.cu)
set(MDBENCH_CUDA_HOST plugin/evaluator/cuda/atom_nodes.cpp plugin/evaluator/cuda/cuda_evaluator.cpp
  plugin/evaluator/cuda/device_network.cpp plugin/evaluator/cuda/feature_exchange.cpp
  plugin/evaluator/cuda/pair_search.cpp plugin/evaluator/cuda/pairs_on_cpu.cpp
  plugin/evaluator/cuda/runtime.cpp plugin/evaluator/cuda/step.cpp
  plugin/evaluator/cuda/step_memory.cpp
  plugin/evaluator/cuda/topology.cpp
  plugin/evaluator/cuda/workspace.cpp plugin/evaluator/native/network.cpp)
set(MDBENCH_CUDA_TESTS tests/cuda/test_columns.cpp tests/cuda/test_contraction_kernels.cpp
  tests/cuda/test_cuda_evaluator.cpp tests/cuda/test_dense.cpp tests/cuda/test_edge_kernels.cpp
  tests/cuda/test_emulation.cpp tests/cuda/test_exchange.cpp tests/cuda/test_finish.cpp
  tests/cuda/test_gates.cpp
  tests/cuda/test_gradients.cpp tests/cuda/test_moments.cpp tests/cuda/test_readout_kernels.cpp
  tests/cuda/test_runtime.cpp tests/cuda/test_search.cpp tests/cuda/test_tiles.cpp
  tests/cuda/test_warp.cpp)
set(MDBENCH_CUDA_TEST_KERNELS tests/cuda/sample_kernels.cu tests/cuda/warp_kernels.cu)

# Headers and options; targets add only their sources.
add_library(mdbench_cuda_flags INTERFACE)
target_include_directories(mdbench_cuda_flags INTERFACE plugin/kernels/cuda plugin/evaluator/cuda)
target_link_libraries(mdbench_cuda_flags INTERFACE mdbench_native_model OpenMP::OpenMP_CXX)
if(mdbench_cuda STREQUAL EMULATE)
  target_include_directories(mdbench_cuda_flags INTERFACE tests/cuda)
  target_compile_definitions(mdbench_cuda_flags INTERFACE MDBENCH_EMULATE_CUDA)
  list(APPEND MDBENCH_CUDA_HOST tests/cuda/emulation.cpp tests/cuda/emulation_runtime.cpp
    tests/cuda/emulation_streams.cpp tests/cuda/races.cpp)
  set(as_cpp -x c++ -Wno-unknown-pragmas)
  if(MDBENCH_SANITIZE MATCHES undefined)
    list(APPEND as_cpp -fsanitize=alignment)  # a misaligned access stops a GPU
  endif()
  if(NOT MDBENCH_SANITIZE)
    # races.cpp answers its calls
    list(APPEND as_cpp -fsanitize=thread --param=tsan-instrument-func-entry-exit=0)
    target_compile_definitions(mdbench_cuda_flags INTERFACE MDBENCH_CUDA_RACES)
  endif()
  set_source_files_properties(${MDBENCH_CUDA_KERNELS} ${MDBENCH_CUDA_TEST_KERNELS} PROPERTIES
    LANGUAGE CXX COMPILE_OPTIONS "${as_cpp}")
else()
  set(CMAKE_CUDA_ARCHITECTURES ${MDBENCH_CUDA_ARCHITECTURES})
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA_EXTENSIONS OFF)
  set(CMAKE_CUDA_VISIBILITY_PRESET hidden)
  if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25 does not know it
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  endif()
  # of a template's members that device code alone uses, the host's pass knows no use (177)
  target_compile_options(mdbench_cuda_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CUDA>:-diag-suppress=177>)
  target_include_directories(mdbench_cuda_flags SYSTEM INTERFACE
    ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
endif()

# once for the library and its tests: they take minutes
add_library(mdbench_cuda_objects OBJECT EXCLUDE_FROM_ALL ${MDBENCH_CUDA_KERNELS}
  ${MDBENCH_CUDA_HOST})
target_compile_options(mdbench_cuda_objects PRIVATE
  "$<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=fast;-fno-math-errno>")
target_link_libraries(mdbench_cuda_objects PUBLIC mdbench_cuda_flags mdbench_core)
add_library(mdbench_native_cuda MODULE plugin/evaluator/cuda/cuda.cpp)
set_target_properties(mdbench_native_cuda PROPERTIES PREFIX "" CUDA_RUNTIME_LIBRARY Static)
target_link_libraries(mdbench_native_cuda PRIVATE mdbench_cuda_objects)
if(NOT mdbench_cuda STREQUAL EMULATE)
  install(TARGETS mdbench_native_cuda DESTINATION ${MDBENCH_DESTINATION})
endif()

if(MDBENCH_TESTS)
  add_executable(mdbench_cuda_tests EXCLUDE_FROM_ALL tests/cpp/main.cpp ${MDBENCH_CUDA_TESTS}
    ${MDBENCH_CUDA_TEST_KERNELS})
  set_target_properties(mdbench_cuda_tests PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(mdbench_cuda_tests PRIVATE tests/cpp tests/cuda)
  # line numbers, no more: with sanitizers full debugging information doubles the compiler's time
  target_compile_options(mdbench_cuda_tests PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-O1;-g1>")
  list(GET MDBENCH_ISAS -1 plainest)  # of the CPU's evaluator, to compare with
  target_link_libraries(mdbench_cuda_tests PRIVATE mdbench_cuda_objects
    mdbench_native_objects_${plainest})
  mdbench_add_test(cuda mdbench_cuda_tests)
endif()
