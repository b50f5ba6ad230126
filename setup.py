from setuptools import setup

setup(cffi_modules=["c_ext/build_native.py:ffibuilder", "c_ext/build_host.py:ffibuilder"])
