//! One client's LiveKit dialogue: join, negotiate, subscribe, resume, leave.
