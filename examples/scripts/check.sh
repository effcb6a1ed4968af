# One of the scripts of the example `run_scripts`: it takes a second, and finds an error.
sleep 1
echo "2 tables checked"
echo "row 17 of the third has no date" >&2
exit 3
