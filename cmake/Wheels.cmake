# Finds what comes as Python wheels, in the environment of the Python interpreter in use.

# pip builds in an isolated environment hide the packages of the venv that they build for; its
# site-packages folder is still known, so a second torch is never needed. uv's have a venv of their
# own, from which nothing leads to the other.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "import sysconfig; print(sysconfig.get_path('platlib'))"
  OUTPUT_VARIABLE MDBENCH_SITE OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)

# Folder of a Python package that pip installed, or "" (nothing is imported).
function(mdbench_package_folder package result)
  execute_process(
    COMMAND ${Python_EXECUTABLE} -c
      "import importlib.util as u; s = u.find_spec('${package}'); print(s.submodule_search_locations[0] if s else '')"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  if(NOT folder AND IS_DIRECTORY "${MDBENCH_SITE}/${package}")
    set(folder "${MDBENCH_SITE}/${package}")
  endif()
  set(${result} "${folder}" PARENT_SCOPE)
endfunction()

# Target mdbench_torch. Torch's own CMake files ask for a CUDA toolkit when torch is a CUDA build;
# this plugin holds no CUDA code of torch's, so headers and libraries are enough.
function(mdbench_find_torch)
  set(folder "${MDBENCH_TORCH}")
  if(NOT IS_DIRECTORY "${folder}")
    mdbench_package_folder(torch folder)
  endif()
  if(NOT EXISTS "${folder}/include/torch/script.h")
    message(FATAL_ERROR "torch is missing: pip install 'torch==2.13.0' first, then build again (or -DMDBENCH_TORCH=OFF)")
  endif()
  file(STRINGS "${folder}/version.py" line REGEX "^__version__ = ")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${line}")
  if(version VERSION_LESS 2.10)
    message(FATAL_ERROR "torch ${version} is too old: mdbench needs 2.10 or newer")
  endif()
  message(STATUS "torch ${version}: ${folder}")
  set(MDBENCH_TORCH_LIB "${folder}/lib" PARENT_SCOPE)
  set(rpath "$ORIGIN/../torch/lib")
  if(NOT SKBUILD OR NOT folder STREQUAL "${MDBENCH_SITE}/torch")
    list(APPEND rpath "${folder}/lib")  # not beside the package
  endif()
  set(MDBENCH_TORCH_RPATH "${rpath}" PARENT_SCOPE)
  add_library(mdbench_torch INTERFACE)
  target_include_directories(mdbench_torch SYSTEM INTERFACE
    ${folder}/include ${folder}/include/torch/csrc/api/include)
  # libtorch brings the CUDA back end where there is one; no symbol of it is used directly.
  target_link_options(mdbench_torch INTERFACE -Wl,--no-as-needed)
  target_link_libraries(mdbench_torch INTERFACE
    ${folder}/lib/libtorch.so ${folder}/lib/libtorch_cpu.so ${folder}/lib/libc10.so)
endfunction()

function(mdbench_find_nanobind)
  mdbench_package_folder(nanobind folder)
  if(NOT folder)
    message(FATAL_ERROR "nanobind is missing: pip install nanobind, or set MDBENCH_PYTHON=OFF")
  endif()
  find_package(nanobind CONFIG REQUIRED PATHS ${folder}/cmake NO_DEFAULT_PATH)
endfunction()
