"""python -m cortex_sim."""

from cortex_sim.cli import main

if __name__ == "__main__":
    main()
