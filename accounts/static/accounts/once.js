// A second click on a form's button sends nothing while the first is on its way.
(function () {
  'use strict'

  // Whoever stopped the page, or waits for a file, may send again after so long.
  const milliseconds = 10000
  let sent = new WeakMap()

  document.addEventListener('submit', function (event) {
    if (event.defaultPrevented) { return }
    if (Date.now() - (sent.get(event.target) || 0) < milliseconds) {
      event.preventDefault()
      return
    }
    sent.set(event.target, Date.now())
  })

  // Back again, perhaps from the browser's memory of the page.
  window.addEventListener('pageshow', function () { sent = new WeakMap() })
})()
