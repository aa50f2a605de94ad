"""What every environment shares; each import below is one concern."""

from .admin import *  # noqa: F403
from .apps import *  # noqa: F403
from .database import *  # noqa: F403
from .files import *  # noqa: F403
from .i18n import *  # noqa: F403
from .logging import *  # noqa: F403
from .notifications import *  # noqa: F403
from .rest import *  # noqa: F403
from .security import *  # noqa: F403
from .shop import *  # noqa: F403
from .tasks import *  # noqa: F403
