"""The gate for CI: claims in a file, each proved or re-checked, and reports for CI systems."""
