# Packages keras and keras3 have functions of the same names. Models of theirs
# are handed to them (.delegate()); who comes first is said when it matters.

.kerasPackages <- c("keras", "keras3")

.onAttach <- function(libname, pkgname) {
    .greetKeras()
    .watchForKeras()
}

# What is attached now is told by .greetKeras(), what will be by these hooks.
.watchForKeras <- function() {
    for (package in .kerasPackages) {
        setHook(packageEvent(package, "attach"), function(package, ...) {
            if ("package:waddington" %in% search()) .sayWhoIsFirst(package)
        })
    }
}

.greetKeras <- function() {
    attached <- intersect(paste0("package:", .kerasPackages), search())
    if (!length(attached)) return(invisible())
    other <- sub("^package:", "", attached[1])
    packageStartupMessage(
        "waddington's layer_dense(), fit() and others now come before those ",
        "of ", other, ". Its own models are passed on to it; for a new one ",
        "say ", other, "::keras_model_sequential()."
    )
}

.sayWhoIsFirst <- function(package) {
    packageStartupMessage(
        "Functions of ", package, " now come before waddington's of the same ",
        "names. For models of waddington start with sequentialModel() and say ",
        "waddington::layer_dense() and so on, or attach waddington last."
    )
}
