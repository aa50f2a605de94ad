"""What every environment shares; each import below is one concern."""

from .admin import *
from .apps import *
from .database import *
from .env import *
from .files import *
from .i18n import *
from .identity import *
from .logging import *
from .notifications import *
from .rest import *
from .security import *
from .shop import *
from .tasks import *
