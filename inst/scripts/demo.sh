#!/usr/bin/env bash
# The main job on real cells, from nothing: sets up what is missing, trains, writes figures to demo/.
#
#     bash inst/scripts/demo.sh

# shellcheck source=inst/scripts/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

bash "$scripts/setup.sh" demo
say "Training on 1,556 blood cells, resting and stimulated with interferon beta"
cd "$root"
Rscript --no-save --no-restore --no-site-file --no-init-file "$scripts/demo.R" demo </dev/null
say "Done in $((SECONDS / 60)) min $((SECONDS % 60)) s. Look at $root/demo"
