// allauth tells only the console when a passkey fails; people want to know too.
(function () {
  'use strict'

  const words = {
    NotAllowedError: 'The passkey was not used. Try again, or go on another way.',
    InvalidStateError: 'This passkey has been added before.',
    SecurityError: 'Passkeys do not work at this address of the shop. Go on another way.'
  }

  function tell (text) {
    const old = document.getElementById('passkey-trouble')
    if (old) { old.remove() }
    const alert = document.createElement('p')
    alert.id = 'passkey-trouble'
    alert.className = 'alert error'
    alert.setAttribute('role', 'alert')
    alert.textContent = text
    document.querySelector('main h1').after(alert)
  }

  document.addEventListener('allauth.error', function (event) {
    const error = event.detail.exception
    const text = window.PublicKeyCredential
      ? words[error && error.name] || 'That did not work. Try again, or go on another way.'
      : 'This browser cannot use passkeys here. Go on another way.'
    tell(text)
  })
})()
