# One of the scripts of the example `run_scripts`: it takes a second, and succeeds.
sleep 1
echo "3 files fetched"
