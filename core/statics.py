"""Static files in production."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticFiles(CompressedManifestStaticFilesStorage):
    """Names each file by its contents. A source map, which only a debugger reads, may be missing:

    wheels leave theirs out, and still name them.
    """

    patterns = tuple(
        (glob, tuple(each for each in found if "sourceMappingURL" not in each[0]))
        for glob, found in CompressedManifestStaticFilesStorage.patterns
    )
