"""Bridges to what others run: one file each, imported only when it is asked for."""
