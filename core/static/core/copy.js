// A button that copies what stands in the code before it, where the browser lets it.
(function () {
  'use strict'

  if (!navigator.clipboard) { return }

  document.querySelectorAll('[data-copy]').forEach(function (button) {
    button.hidden = false
    button.addEventListener('click', function () {
      const text = document.getElementById(button.dataset.copy).textContent
      navigator.clipboard.writeText(text).then(
        function () { button.textContent = 'Copied' },
        function () { button.textContent = 'Not copied: select it instead' }
      )
    })
  })
})()
