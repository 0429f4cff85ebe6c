# The CUDA back end of the native evaluator: mdbench_native_cuda.so, and its tests. With EMULATE the
# kernels are compiled for the CPU, against tests/cuda/emulation.hpp: for tests, never installed.

set(MDBENCH_CUDA AUTO CACHE STRING
    "CUDA evaluator: ON, OFF, AUTO (where nvcc and a GPU are), EMULATE (on the CPU, for tests)")
set_property(CACHE MDBENCH_CUDA PROPERTY STRINGS AUTO ON OFF EMULATE)
set(MDBENCH_CUDA_ARCHITECTURES "80-real;90-real;100" CACHE STRING
    "GPUs that the kernels are compiled for; newer ones compile the last one's PTX when they start")

set(mdbench_cuda ${MDBENCH_CUDA})
if(mdbench_cuda STREQUAL AUTO)
  set(mdbench_cuda OFF)
  find_program(MDBENCH_NVIDIA_SMI nvidia-smi)
  if(MDBENCH_NVIDIA_SMI)
    execute_process(COMMAND ${MDBENCH_NVIDIA_SMI} -L RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
    include(CheckLanguage)
    if(NOT failed)
      check_language(CUDA)
    endif()
    if(NOT failed AND CMAKE_CUDA_COMPILER)
      set(mdbench_cuda ON)
    elseif(NOT failed)
      message(STATUS "A GPU is here but no working nvcc (CUDA 13): no CUDA evaluator")
    endif()
  endif()
endif()
if(NOT mdbench_cuda)
  return()
endif()

file(GLOB MDBENCH_CUDA_KERNELS CONFIGURE_DEPENDS plugin/kernels/cuda/*.cu)
file(GLOB MDBENCH_CUDA_HOST CONFIGURE_DEPENDS plugin/evaluator/cuda/*.cpp)
list(APPEND MDBENCH_CUDA_HOST plugin/evaluator/native/network.cpp)
file(GLOB MDBENCH_CUDA_TESTS CONFIGURE_DEPENDS tests/cuda/test_*.cpp)
file(GLOB MDBENCH_CUDA_TEST_KERNELS CONFIGURE_DEPENDS tests/cuda/*.cu)

# Headers and options; targets add only their sources.
add_library(mdbench_cuda_flags INTERFACE)
target_include_directories(mdbench_cuda_flags INTERFACE plugin/kernels/cuda plugin/evaluator/cuda)
target_link_libraries(mdbench_cuda_flags INTERFACE mdbench_native_model OpenMP::OpenMP_CXX)
if(mdbench_cuda STREQUAL EMULATE)
  target_include_directories(mdbench_cuda_flags INTERFACE tests/cuda)
  target_compile_definitions(mdbench_cuda_flags INTERFACE MDBENCH_EMULATE_CUDA)
  list(APPEND MDBENCH_CUDA_HOST tests/cuda/emulation.cpp tests/cuda/emulation_runtime.cpp)
  set(as_cpp -x c++ -Wno-unknown-pragmas)
  if(MDBENCH_SANITIZE MATCHES undefined)
    list(APPEND as_cpp -fsanitize=alignment)  # a misaligned access stops a GPU
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
  target_include_directories(mdbench_cuda_flags SYSTEM INTERFACE
    ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})
endif()

add_library(mdbench_native_cuda MODULE ${MDBENCH_CUDA_KERNELS} ${MDBENCH_CUDA_HOST})
set_target_properties(mdbench_native_cuda PROPERTIES PREFIX "" CUDA_RUNTIME_LIBRARY Static)
target_compile_options(mdbench_native_cuda PRIVATE
  "$<$<COMPILE_LANGUAGE:CXX>:-O3;-ffp-contract=fast;-fno-math-errno>")
target_link_libraries(mdbench_native_cuda PRIVATE mdbench_cuda_flags)
if(NOT mdbench_cuda STREQUAL EMULATE)
  install(TARGETS mdbench_native_cuda DESTINATION .)
endif()

if(MDBENCH_TESTS)
  add_executable(mdbench_cuda_tests EXCLUDE_FROM_ALL tests/cpp/main.cpp ${MDBENCH_CUDA_TESTS}
    ${MDBENCH_CUDA_TEST_KERNELS} ${MDBENCH_CUDA_KERNELS} ${MDBENCH_CUDA_HOST})
  set_target_properties(mdbench_cuda_tests PROPERTIES CUDA_RUNTIME_LIBRARY Static)
  target_include_directories(mdbench_cuda_tests PRIVATE tests/cpp tests/cuda)
  target_compile_options(mdbench_cuda_tests PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-O1>)
  target_link_libraries(mdbench_cuda_tests PRIVATE mdbench_cuda_flags mdbench_core)
  add_test(NAME cuda COMMAND mdbench_cuda_tests)
endif()
